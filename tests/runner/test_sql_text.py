"""Splitting SQL and telling changes from reads, without understanding it."""

from __future__ import annotations

import time

import pytest

from dbmigrations.runner import sql_text, version_steps
from dbmigrations.runner.plan_text import clean
from dbmigrations.runner.sql_text import Kind
from dbmigrations.runner.version_steps import VersionStep


def kinds(text: str) -> list[Kind]:
    return [statement.kind for statement in sql_text.split(text)]


@pytest.mark.parametrize(
    ("text", "statements"),
    [
        ("", []),
        ("  ; ;\n-- nothing\n/* ; */", []),
        ("SELECT 1", ["SELECT 1"]),
        ("SELECT 1; SELECT 2;", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', E'\\';', \"a;b\" FROM t; COMMIT", ["SELECT ';', E'\\';', \"a;b\" FROM t", "COMMIT"]),
        ("DO $$ BEGIN; $x$;$x$ END; $$; DO $a$ $$; $a$", ["DO $$ BEGIN; $x$;$x$ END; $$", "DO $a$ $$; $a$"]),
        ("SELECT 'it''s;' /* ; /* ; */ ; */ , 1 -- ;\n; SELECT 2", None),
        (
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END; SELECT 3",
            [
                "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END",
                "SELECT 3",
            ],
        ),
        ("SELECT 'never closed; SELECT 2", ["SELECT 'never closed; SELECT 2"]),
        ("SELECT $1; SELECT a$b$c FROM t; SELECT 2", ["SELECT $1", "SELECT a$b$c FROM t", "SELECT 2"]),
    ],
)
def test_statements_are_split(text, statements):
    found = [statement.text for statement in sql_text.split(text)]
    if statements is None:
        assert len(found) == 2
    else:
        assert found == statements


def test_a_comment_at_the_end_is_noticed():
    ends = [
        statement.open_comment for statement in sql_text.split("SELECT 1 -- x\n; SELECT 2 -- y\n, 3; SELECT 4 -- z")
    ]
    assert ends == [True, False, True]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("SELECT 1", Kind.READ),
        ("/* hi */ select 1", Kind.READ),
        ("(SELECT 1) UNION SELECT 2", Kind.READ),
        ("SELECT 'INSERT', \"UPDATE\" FROM t FOR UPDATE", Kind.READ),
        ("SELECT setval('s', 1)", Kind.CHANGE),
        ("SELECT pg_catalog.nextval('s')", Kind.CHANGE),
        ("SHOW ALL", Kind.READ),
        ("VALUES (1)", Kind.READ),
        ("FETCH 5 FROM c", Kind.READ),
        ("DECLARE c CURSOR FOR SELECT 1", Kind.READ),
        ("EXPLAIN INSERT INTO t VALUES (1)", Kind.READ),
        ("EXPLAIN (ANALYZE) DELETE FROM t", Kind.CHANGE),
        ("EXPLAIN ANALYZE SELECT 1", Kind.READ),
        ("WITH a AS (SELECT 1) SELECT * FROM a", Kind.READ),
        ("WITH a AS (SELECT 1) SELECT * FROM a FOR NO KEY UPDATE", Kind.READ),
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) SELECT * FROM a", Kind.CHANGE),
        ("WITH a AS (SELECT 1) MERGE INTO t USING a ON true WHEN MATCHED THEN DO NOTHING", Kind.CHANGE),
        ("COPY t FROM STDIN", Kind.CHANGE),
        ("COPY t (a, b) TO STDOUT", Kind.READ),
        ("COPY (SELECT * FROM t) TO STDOUT", Kind.READ),
        ("COPY (DELETE FROM t RETURNING *) TO STDOUT", Kind.CHANGE),
        ("ALTER TABLE t ADD x int", Kind.CHANGE),
        ("DO $$ BEGIN END $$", Kind.CHANGE),
        ("CALL p()", Kind.CHANGE),
        ("VACUUM t", Kind.CHANGE),
        ("COMMENT ON TABLE t IS 'x'", Kind.CHANGE),
        ("COMMIT PREPARED 'x'", Kind.CHANGE),
        ("SET search_path = app", Kind.SESSION),
        ("SET LOCAL lock_timeout = 1", Kind.SESSION),
        ("SET ROLE owner", Kind.SESSION),
        ("RESET search_path", Kind.SESSION),
        ("LOCK TABLE t", Kind.SESSION),
        ("SET client_encoding TO 'UTF8'", Kind.READ),
        ("SET SESSION TIME ZONE 'UTC'", Kind.READ),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", Kind.READ),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE", Kind.READ),
        ("RESET ALL", Kind.READ),
        ("BEGIN ISOLATION LEVEL READ COMMITTED", Kind.BEGIN),
        ("START TRANSACTION", Kind.BEGIN),
        ("COMMIT", Kind.COMMIT),
        ("END", Kind.COMMIT),
        ("PREPARE TRANSACTION 'x'", Kind.COMMIT),
        ("ROLLBACK", Kind.ROLLBACK),
        ("ABORT", Kind.ROLLBACK),
        ("ROLLBACK TO SAVEPOINT a", Kind.ROLLBACK_TO),
        ("ROLLBACK WORK TO a", Kind.ROLLBACK_TO),
        ("SAVEPOINT a", Kind.NOTHING),
        ("RELEASE SAVEPOINT a", Kind.NOTHING),
    ],
)
def test_kinds(text, kind):
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    ("text", "table", "step"),
    [
        (
            "INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING alembic_version.version_num",
            "alembic_version",
            VersionStep("INSERT", "a1"),
        ),
        (
            "UPDATE app.alembic_version SET version_num='b2' WHERE app.alembic_version.version_num = 'a1'",
            "alembic_version",
            VersionStep("UPDATE", "b2"),
        ),
        ('DELETE FROM "Ver" . "Über" WHERE version_num = \'a\'', "Über", VersionStep("DELETE", "a")),
        ("/* traced */ UPDATE Alembic_Version SET version_num=$1", "alembic_version", VersionStep("UPDATE", "")),
        ("UPDATE alembic_version_2 SET version_num='b2'", "alembic_version", None),
        ("SELECT * FROM alembic_version", "alembic_version", None),
        ("CREATE TABLE alembic_version (x int)", "alembic_version", None),
    ],
)
def test_steps_of_the_version_table(text, table, step):
    (statement,) = sql_text.split(text)
    assert version_steps.find(statement, table) == step


def test_megabytes_are_split_in_seconds():
    text = "INSERT INTO t VALUES " + ", ".join(f"({number}, 'row {number}', $${number};$$)" for number in range(60_000))
    begun = time.process_time()
    assert len(sql_text.split(text)) == 1
    assert time.process_time() - begun < 10


@pytest.mark.parametrize(
    "text",
    [
        "ALTER ROLE u PASSWORD 'hunter2'",
        "ALTER ROLE u PASSWORD $$hunter2$$",
        "ALTER ROLE u PASSWORD $a$hunter2$a$",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h user=u password=hunter2' PUBLICATION p",
        "SELECT dblink_connect('password=hunter2 host=h')",
        "SELECT connect('postgres://u:hunter2@h/db')",
        "SELECT connect('postgres://u:x/y@hunter2@h/db')",
    ],
)
def test_no_password_is_shown(text: str) -> None:
    assert "hunter2" not in clean(text)


@pytest.mark.parametrize("text", ["ALTER TABLE a ADD password text", "UPDATE a SET password = NULL", "SELECT 'a:b@c'"])
def test_what_is_no_password_stays(text: str) -> None:
    assert clean(text) == text
