"""What a rehearsed command did, as `report` tells it: nothing that changes is missing, and nothing else is there."""

from __future__ import annotations

import psycopg
import pytest
from tests.runner.rehearsals import VERSION, plan_of

pytestmark = pytest.mark.server

A_TO_B = VERSION.format("a1", "b2")
B_TO_C = VERSION.format("b2", "c3")


def test_one_revision_in_one_transaction(pod):
    assert pod.loaded()["warnings"] == []
    pod.run_sql(["SELECT version_num FROM alembic_version", "ALTER TABLE customer ADD email text", A_TO_B])
    outcome = pod.report()
    facts, plan = outcome.succeeded(), plan_of(outcome)
    assert plan.sql == ["ALTER TABLE customer ADD email text", A_TO_B]
    assert plan.comments[0] == f"-- database {pod.database}: a1 -> b2"
    assert plan.comments[2].startswith("-- b2: 1 statement, transaction 1, ")
    assert plan.comments[3:] == ["-- BEGIN", "-- COMMIT"]
    assert "\n+    email text" in plan.diff
    assert (facts["revisions"], facts["versionTableExists"], facts["versionTableRead"]) == (["b2"], True, True)
    assert (facts["connected"], facts["statements"], facts["transactions"]) == (True, 2, 1)
    assert (facts["commits"], facts["schemaChanged"], facts["error"]) == ("Once", True, None)
    assert (facts["plan"]["truncated"], facts["invalidIndexes"]) == (False, [])


def test_each_revision_in_a_transaction_of_its_own(pod):
    pod.loaded()
    pod.run_sql(["CREATE TABLE one (id int)", A_TO_B], ["CREATE TABLE two (id int)", "DROP TABLE one", B_TO_C])
    outcome = pod.report()
    assert outcome.succeeded()["commits"] == "PerRevision"
    headings = [line.rpartition(",")[0] for line in plan_of(outcome).comments if " ms" in line]
    assert headings == ["-- b2: 1 statement, transaction 1", "-- c3: 2 statements, transaction 2"]
    assert [line for line in plan_of(outcome).comments if line in ("-- BEGIN", "-- COMMIT")] == [
        "-- BEGIN",
        "-- COMMIT",
    ] * 2


def test_two_revisions_in_one_transaction(pod):
    pod.loaded()
    pod.run_sql(["CREATE TABLE one (id int)", A_TO_B, "CREATE TABLE two (id int)", B_TO_C])
    outcome = pod.report()
    facts = outcome.succeeded()
    assert (facts["commits"], facts["transactions"], facts["revisions"]) == ("Once", 1, ["c3"])


def test_commits_within_a_revision(pod):
    pod.loaded()
    pod.run_sql("CREATE TABLE one (id int)", ["CREATE TABLE two (id int)", A_TO_B])
    assert pod.report().succeeded()["commits"] == "Several"


def test_an_index_that_is_built_concurrently_is_outside_of_transactions(pod):
    pod.loaded()
    with pod.connect(autocommit=True) as connection:
        connection.execute("CREATE INDEX CONCURRENTLY by_name ON customer (name)")
    pod.run_sql([A_TO_B])
    outcome = pod.report()
    assert outcome.succeeded()["commits"] == "Autocommit"
    assert plan_of(outcome).sql[0] == "CREATE INDEX CONCURRENTLY by_name ON customer (name)"


def test_a_command_at_its_target_changes_nothing(pod):
    loaded = pod.loaded()
    pod.run_sql(["SET lock_timeout = '5s'", "SELECT version_num FROM alembic_version"])
    outcome = pod.report()
    facts = outcome.succeeded()
    assert (facts["statements"], facts["commits"], facts["schemaChanged"]) == (0, "Nothing", False)
    assert (facts["versionTableRead"], facts["schema"]) == (True, loaded["schema"])
    assert plan_of(outcome).diff == ""


def test_reads_are_left_out_and_what_they_change_is_not(pod, pg, database):
    pg.execute(
        """
        CREATE SEQUENCE counter; GRANT ALL ON SEQUENCE counter TO PUBLIC;
        CREATE FUNCTION fill() RETURNS int LANGUAGE sql AS 'INSERT INTO customer VALUES (1, ''x'') RETURNING 1';
        CREATE FUNCTION make() RETURNS void LANGUAGE plpgsql AS
          'BEGIN CREATE TABLE public.made (id serial PRIMARY KEY); END';
        """,
        database,
    )
    pod.loaded()
    changes = [
        "SELECT setval('counter', 5)",
        "SELECT fill()",
        "SELECT make()",
        "WITH gone AS (DELETE FROM customer RETURNING id) SELECT * FROM gone",
        "EXPLAIN ANALYZE INSERT INTO customer VALUES (3, 'y')",
        "TRUNCATE nothing_in_it",
    ]
    reads = [
        "SHOW search_path",
        "SELECT * FROM customer FOR UPDATE",
        "WITH a AS (SELECT * FROM customer) SELECT * FROM a",
        "VALUES (1)",
        "TABLE customer",
        "EXPLAIN SELECT 'INSERT'",
        "DECLARE c CURSOR FOR SELECT 1",
        "FETCH c",
        "SET client_encoding TO 'UTF8'",
        "SELECT '; DROP TABLE customer' -- DELETE",
    ]
    both = [
        statement
        for pair in zip(reads, [*changes, "SET LOCAL search_path = public"] * 2, strict=False)
        for statement in pair
    ]
    pod.run_sql(both[: 2 * len(changes) + 2] + reads[len(changes) + 1 :])
    outcome = pod.report()
    plan = plan_of(outcome)
    assert plan.sql == [*changes, "SET LOCAL search_path = public"]
    assert outcome.facts["statements"] == len(changes)
    assert "--   CREATE TABLE public.made" in plan.comments


def test_what_runs_inside_of_a_block_is_shown_below_it(pod):
    pod.loaded()
    block = """DO $$
BEGIN
  CREATE TABLE public.inner_one (id int);
  ALTER TABLE public.customer DROP COLUMN name;
  DROP TABLE public.nothing_in_it;
END $$"""
    pod.run_sql([block, A_TO_B])
    outcome = pod.report()
    plan = plan_of(outcome)
    assert outcome.succeeded()["schemaChanged"]
    assert plan.sql[0].startswith("DO $$\nBEGIN\n")
    nested = [line for line in plan.comments if line.startswith("--   ")]
    assert nested == [
        "--   CREATE TABLE public.inner_one",
        "--   ALTER TABLE: table column public.customer.name dropped",
        "--   ALTER TABLE public.customer",
        "--   DROP TABLE public.nothing_in_it",
    ]
    assert "dbmigrations_rehearsal" not in plan.diff


def test_a_failure_is_told_without_data(pod):
    pod.loaded()
    with pod.connect() as connection:
        connection.execute("CREATE TABLE one (id int PRIMARY KEY)")
        connection.execute("INSERT INTO one VALUES (4711)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO one VALUES (%s)", (4711,))
        connection.rollback()
    outcome = pod.report()
    facts, plan = outcome.succeeded(), plan_of(outcome)
    assert facts["error"] == {
        "sqlstate": "23505",
        "message": 'duplicate key value violates unique constraint "one_pkey"',
        "statement": "INSERT INTO one VALUES ($1)",
    }
    assert (facts["revisions"], facts["schemaChanged"], facts["commits"]) == (["a1"], False, "Nothing")
    assert '-- failed with 23505: duplicate key value violates unique constraint "one_pkey"' in plan.comments
    assert plan.comments[-1] == "-- ROLLBACK"
    assert "already exists" not in outcome.log


def test_syntax_errors_and_lost_transactions(pod):
    pod.loaded()
    connection = pod.connect()
    connection.execute("CREATE TABLE lost (id int)")
    connection.close()
    with pod.connect(autocommit=True) as connection, pytest.raises(psycopg.errors.SyntaxError):
        connection.execute("ALTER TABEL customer")
    outcome = pod.report()
    assert outcome.succeeded()["error"]["sqlstate"] == "42601"
    assert outcome.facts["transactions"] == 0
    assert "-- ROLLBACK: the session ended without a COMMIT" in plan_of(outcome).comments
    assert "ALTER TABEL customer" in plan_of(outcome).sql


def test_savepoints(pod):
    pod.loaded()
    with pod.connect() as connection:
        connection.execute("CREATE TABLE kept (id int)")
        with pytest.raises(psycopg.errors.UndefinedTable), connection.transaction():
            connection.execute("DROP TABLE not_there")
        connection.execute(A_TO_B)
        connection.commit()
    outcome = pod.report()
    assert (outcome.succeeded()["commits"], outcome.facts["revisions"]) == ("Once", ["b2"])
    assert plan_of(outcome).comments[-1] == "-- COMMIT"


def test_passwords_are_not_shown(pod):
    pod.loaded()
    pod.run_sql(["CREATE TABLE u (password text DEFAULT 'hunter2')", "INSERT INTO u (password) VALUES ('x')"])
    with pod.connect(autocommit=True) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute("CREATE ROLE someone PASSWORD 'hunter2-secret'")
    outcome = pod.report()
    assert "hunter2-secret" not in outcome.log
    assert "PASSWORD '***'" in plan_of(outcome).statements


def test_several_statements_in_one_text(pod):
    pod.loaded()
    script = """CREATE TABLE one (id int); -- first
        INSERT INTO one VALUES (1);; SELECT 1;
        CREATE TABLE two (t text DEFAULT ';') -- last"""
    with pod.connect(autocommit=True) as connection:
        connection.execute(script)
    outcome = pod.report()
    assert outcome.succeeded()["transactions"] == 1
    assert outcome.facts["statements"] == 3
    assert plan_of(outcome).statements.endswith("DEFAULT ';') -- last\n;\n")


def test_prepared_statements_of_the_extended_protocol(pod):
    pod.loaded()
    with pod.connect(prepare_threshold=0) as connection:
        for number in range(3):
            connection.execute("INSERT INTO customer VALUES (%s, %s)", (number, "a value that is nobody's business"))
        connection.commit()
    outcome = pod.report()
    assert plan_of(outcome).sql == ["INSERT INTO customer VALUES ($1, $2)"] * 3
    assert "nobody's business" not in outcome.log


def test_a_long_plan_is_cut(pod):
    pod.loaded()
    long = "INSERT INTO nothing_in_it SELECT 1 /* " + "x" * 1_000_000 + " */"
    pod.run_sql([*[long] * 5, A_TO_B])
    outcome = pod.report()
    facts, plan = outcome.succeeded(), plan_of(outcome)
    assert facts["plan"]["truncated"] is True
    assert facts["statements"] == 6
    assert len(plan.statements.encode()) + len(plan.diff.encode()) < 4_010_000
    assert "-- 3 more statement(s) were left out: the plan would be too long." in plan.comments


def test_a_statement_of_many_megabytes(pod):
    pod.loaded()
    pod.run_sql(["INSERT INTO customer VALUES (1, '" + 'é"\n' * 3_000_000 + "')", A_TO_B])
    outcome = pod.report()
    assert outcome.succeeded()["statements"] == 2
    assert outcome.facts["revisions"] == ["b2"]
    assert outcome.facts["plan"]["truncated"] is True
    assert plan_of(outcome).sql == [A_TO_B]
    assert any(line.startswith("-- left out, too long: INSERT INTO customer") for line in plan_of(outcome).comments)


def test_the_same_migration_has_the_same_plan(pod):
    pod.loaded()
    pod.run_sql([A_TO_B])
    first = pod.report().succeeded()["plan"]["sha256"]
    assert pod.report().succeeded()["plan"]["sha256"] == first
