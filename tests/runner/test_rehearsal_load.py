"""The scratch server is what the real one is, but for data and secrets."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runner import rehearsals
from tests.runner.programs import Job
from tests.runner.rehearsals import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server


def value(connection: psycopg.Connection, query: str):
    rows = connection.execute(query.encode()).fetchall()
    return rows[0] if len(rows) == 1 else rows


def test_roles_memberships_and_grants_are_the_same(pod, pg, database, app_role):
    pg.execute(
        f"""
        CREATE ROLE "Büro ""x"" y" NOLOGIN NOINHERIT CREATEDB; CREATE ROLE reader_{database} NOLOGIN;
        GRANT "Büro ""x"" y" TO {app_role} WITH ADMIN OPTION; GRANT pg_monitor TO {app_role};
        ALTER ROLE {app_role} CREATEROLE CONNECTION LIMIT 7;
        REVOKE ALL ON DATABASE {database} FROM PUBLIC; GRANT CONNECT, CREATE ON DATABASE {database} TO {app_role};
        GRANT SELECT ON customer TO reader_{database} WITH GRANT OPTION;
        CREATE SCHEMA inner_part AUTHORIZATION "Büro ""x"" y"; CREATE TABLE inner_part.t (id int);
        ALTER TABLE inner_part.t OWNER TO "Büro ""x"" y";
        ALTER DEFAULT PRIVILEGES FOR ROLE {app_role} GRANT SELECT ON TABLES TO reader_{database};
        GRANT USAGE ON SCHEMA inner_part TO {app_role}; GRANT SELECT ON inner_part.t TO {app_role};
        """,
        database,
    )
    try:
        pod.loaded()
        queries = [
            "SELECT rolname, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin, rolbypassrls FROM pg_roles "
            "WHERE rolname !~ '^pg_|scratch$' ORDER BY 1",
            "SELECT roleid::regrole::text, member::regrole::text, admin_option FROM pg_auth_members "
            "WHERE member::regrole::text !~ '^pg_' ORDER BY 1, 2",
            "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype, datlocprovider "
            "FROM pg_database WHERE datname = current_database()",
            "SELECT relname, pg_get_userbyid(relowner), relacl::text FROM pg_class WHERE relkind = 'r' "
            "AND relnamespace::regnamespace::text IN ('public', 'inner_part') ORDER BY 1",
            "SELECT nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname IN ('public', 'inner_part') "
            "ORDER BY 1",
        ]
        with pg.connect(database) as real, pod.superuser() as copy:
            for query in queries:
                assert value(real, query) == value(copy, query)
            assert value(copy, "SELECT count(*) FROM pg_authid WHERE rolpassword IS NOT NULL") == (0,)
        with pod.connect() as theirs:
            theirs.execute("CREATE SCHEMA of_theirs; CREATE ROLE made_by_them")
    finally:
        pg.execute('DROP OWNED BY "Büro ""x"" y"; DROP ROLE "Büro ""x"" y"', database)


def test_settings_of_roles_and_of_the_database(pod, pg, database, app_role):
    pg.execute(
        f"""
        CREATE SCHEMA app AUTHORIZATION {app_role};
        CREATE TABLE app.alembic_version (version_num text); INSERT INTO app.alembic_version VALUES ('of-app');
        ALTER TABLE app.alembic_version OWNER TO {app_role};
        ALTER ROLE {app_role} SET search_path = app, "$user", public;
        ALTER ROLE {app_role} IN DATABASE {database} SET lock_timeout = '3s';
        ALTER DATABASE {database} SET statement_timeout = '77s';
        ALTER ROLE {app_role} SET log_statement = 'none';
        ALTER ROLE {app_role} SET my.own_setting = 'it''s';
        """,
        database,
    )
    assert pod.loaded()["warnings"] == []
    with pod.connect() as theirs:
        settings = [value(theirs, f"SHOW {name}")[0] for name in ("search_path", "lock_timeout", "statement_timeout")]
        assert settings == ['app, "$user", public', "3s", "77s"]
        assert value(theirs, "SHOW my.own_setting") == ("it's",)
        assert value(theirs, "SHOW log_statement") == ("all",)
        theirs.execute("UPDATE alembic_version SET version_num = 'next'")
    facts = pod.report().succeeded()
    assert (facts["revisions"], facts["versionTableRead"]) == (["next"], True)


def test_only_the_rows_that_were_asked_for_are_there(pod, pg, database):
    pg.execute(
        """
        CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1);
        CREATE TABLE "Länder und Orte" (id int GENERATED ALWAYS AS IDENTITY, parent int REFERENCES parent,
          "Größe" numeric, doubled numeric GENERATED ALWAYS AS ("Größe" * 2) STORED, raw bytea, many text[]);
        INSERT INTO "Länder und Orte" (parent, "Größe", raw, many)
          VALUES (1, 1.5, '\\x00ff', ARRAY['a', NULL, 'tab\t']);
        CREATE FUNCTION forbid() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
        CREATE TRIGGER forbid BEFORE INSERT ON "Länder und Orte" EXECUTE FUNCTION forbid();
        CREATE TABLE parted (id int, t text) PARTITION BY LIST (id); CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
        INSERT INTO parted VALUES (1, 'one');
        GRANT SELECT ON ALL TABLES IN SCHEMA public TO PUBLIC;
        """,
        database,
    )
    pod.options["dataOf"] = ["public.Länder und Orte", "parted", '"public"."customer"']
    pod.loaded()
    with pg.connect(database) as real, pod.superuser() as copy:
        for table in ('"Länder und Orte"', "parted", "customer", "alembic_version"):
            query = f"SELECT t::text FROM {table} t ORDER BY 1"
            assert value(real, query) == value(copy, query)
        assert value(copy, "SELECT count(*) FROM parent") == (0,)


def test_a_table_of_data_of_that_is_not_there(pod):
    pod.options["dataOf"] = ["public.countries"]
    pod.start_server()
    failure = pod.load().failed_with("DataOfNotFound")
    assert "public.countries" in failure["message"]


@pytest.mark.parametrize(
    ("change", "table", "revisions", "exists"),
    [
        ("DROP TABLE alembic_version", "alembic_version", [], False),
        ("DELETE FROM alembic_version", "alembic_version", [], True),
        ("INSERT INTO alembic_version VALUES ('b2'), ('c3')", "alembic_version", ["a1", "b2", "c3"], True),
        (
            'CREATE SCHEMA "Ver.sions"; ALTER TABLE alembic_version SET SCHEMA "Ver.sions"; '
            'ALTER TABLE "Ver.sions".alembic_version RENAME TO "Über"; GRANT USAGE ON SCHEMA "Ver.sions" TO PUBLIC',
            '"Ver.sions".Über',
            ["a1"],
            True,
        ),
        (
            "ALTER TABLE alembic_version ADD COLUMN applied timestamptz DEFAULT now(), ADD COLUMN x int",
            "public.alembic_version",
            ["a1"],
            True,
        ),
    ],
    ids=["missing", "empty", "several", "elsewhere", "other columns"],
)
def test_version_tables(pod, pg, database, change, table, revisions, exists):
    pg.execute(change, database)
    pod.job.config["versionTable"] = table
    pod.loaded()
    facts = pod.report().succeeded()
    assert (facts["revisions"], facts["versionTableExists"]) == (revisions, exists)
    assert (facts["versionTableRead"], facts["schemaChanged"]) == (False, False)


def test_a_version_table_that_is_created_counts_as_read(pod, pg, database):
    pg.execute("DROP TABLE alembic_version", database)
    pod.loaded()
    pod.run_sql(
        ["CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)"],
        ["CREATE TABLE a (id int)", "INSERT INTO alembic_version (version_num) VALUES ('a1')"],
        ["CREATE TABLE b (id int)", "UPDATE alembic_version SET version_num='b2'"],
    )
    facts = pod.report().succeeded()
    assert (facts["versionTableRead"], facts["commits"], facts["revisions"]) == (True, "PerRevision", ["b2"])


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII", "EUC_JP"])
def test_encodings(pod, pg, app_role, encoding):
    name = pg.new_database(f"TEMPLATE template0 ENCODING '{encoding}' LOCALE 'C' OWNER {app_role}")
    text = "数" if encoding == "EUC_JP" else "caf\\xe9" if encoding == "SQL_ASCII" else "café"
    client = "SQL_ASCII" if encoding == "SQL_ASCII" else "UTF8"
    with pg.connect(name, client_encoding=client) as real:
        quoted = "convert_from(decode('636166e9', 'hex'), 'SQL_ASCII')" if encoding == "SQL_ASCII" else f"'{text}'"
        real.execute(f"CREATE TABLE alembic_version AS SELECT {quoted} AS version_num".encode())
        real.execute(f"GRANT SELECT ON alembic_version TO {app_role}".encode())
        real.execute(f"ALTER TABLE alembic_version OWNER TO {app_role}".encode())
    pod.database, pod.job.url = name, pg.url(name, app_role, PASSWORD)
    assert pod.loaded()["warnings"] == []
    pod.run_sql(["COMMENT ON TABLE alembic_version IS 'x'"])
    outcome = pod.report()
    assert outcome.succeeded()["revisions"] == [text.replace("\\\\", "\\")]
    assert outcome.facts["schemaChanged"] is True


def test_names_of_every_kind(pod, pg, database):
    long = "n" * 63
    pg.execute(
        f"""
        CREATE SCHEMA "數據 -- x"; CREATE TABLE "數據 -- x"."{long}" ("select" int, "a;b" text, "q""q" text);
        CREATE SCHEMA "{long}"; CREATE VIEW "{long}"."v'iew" AS SELECT "a;b" FROM "數據 -- x"."{long}";
        GRANT USAGE ON SCHEMA "數據 -- x", "{long}" TO PUBLIC;
        GRANT SELECT ON "數據 -- x"."{long}", "{long}"."v'iew" TO PUBLIC;
        """,
        database,
    )
    name = f"Große -- 'Daten' {database}"
    pg.execute(f'CREATE DATABASE "{name}" TEMPLATE {database} OWNER app_{database}')
    pod.database = name
    pod.job.url = pg.url(name, pod.role, PASSWORD)
    pod.loaded()
    pod.run_sql([f'ALTER TABLE customer ADD "Ü{"x" * 60}" int'])
    assert pod.report().succeeded()["schemaChanged"] is True


def test_checks_are_equal_after_a_round_trip(pod, pg, database):
    check = "CHECK (name IN ('a', 'b') AND length(name) BETWEEN 1 AND 5)"
    pg.execute(f"CREATE TABLE old (name varchar(10), id int) ; ALTER TABLE old ADD CONSTRAINT c {check}", database)
    pg.execute(f"GRANT SELECT ON old TO app_{database}; ALTER TABLE old OWNER TO app_{database}", database)
    loaded = pod.loaded()
    pod.run_sql(["ALTER TABLE old DROP CONSTRAINT c", f"ALTER TABLE old ADD CONSTRAINT c {check}"])
    outcome = pod.report()
    assert outcome.succeeded()["schema"] == loaded["schema"]
    assert outcome.facts["schemaChanged"] is False


def test_a_dropped_and_added_column_differs_by_its_place_only(pod, pg, database):
    loaded = pod.loaded()
    pod.run_sql(["ALTER TABLE customer ADD x int", "ALTER TABLE customer DROP x"])
    assert pod.report().succeeded()["schema"] == loaded["schema"]


def test_the_real_database_is_not_changed(pod, pg, database, job):
    before = job.run("inspect", store=None).succeeded()
    pod.options["dataOf"] = ["customer"]
    loaded = pod.loaded()
    pod.run_sql(["DELETE FROM customer", "DROP TABLE nothing_in_it", "DELETE FROM alembic_version"])
    assert pod.report().succeeded()["revisions"] == []
    after = job.run("inspect", store=None).succeeded()
    assert before["fingerprint"] == after["fingerprint"]
    assert loaded["raw"] == before["fingerprint"]["schema"]


def test_the_applications_libpq_variables_do_not_lead_the_copy_astray(pod, pg):
    pod.job.variables |= {"PGHOSTADDR": "127.0.0.1", "PGOPTIONS": "-c search_path=nowhere", "PGSSLMODE": "prefer"}
    pod.job.variables |= {"PGPORT": str(pg.port), "PGDATABASE": "postgres"}
    pod.options["hostaddr"] = "127.0.0.1"
    assert pod.loaded()["serverMajor"] == 15


def test_the_real_name_can_lead_elsewhere(pod, pg):
    pod.job.url = pod.job.url.replace("127.0.0.1", "no-such-host.invalid")
    pod.options["hostaddr"] = "127.0.0.1"
    pod.loaded()


def test_an_extension_that_the_image_lacks(pod, pg, database):
    pg.execute("CREATE EXTENSION hstore", database)
    pod.major = 16
    pod.start_server()
    failure = pod.load().failed_with("ExtensionMissing")
    assert "hstore" in failure["message"]
    assert "spec.rehearsal.image" in failure["hint"]


def test_an_icu_collation(pod, pg, app_role):
    name = pg.new_database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LOCALE 'C'")
    pg.execute(f"ALTER DATABASE {name} OWNER TO {app_role}")
    pod.database, pod.job.url = name, pg.url(name, app_role, PASSWORD)
    assert pod.loaded()["warnings"] == []
    with pod.superuser() as copy:
        query = "SELECT datlocprovider, daticulocale FROM pg_database WHERE datname = current_database()"
        assert value(copy, query) == ("i", "de-AT")
    pod.report().succeeded()


def test_a_locale_that_the_image_lacks_is_replaced_with_a_warning(pod, pg, app_role):
    name = pg.new_database("TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'de-AT' LOCALE 'C'")
    pg.execute(f"ALTER DATABASE {name} OWNER TO {app_role}")
    pod.database, pod.job.url, pod.major = name, pg.url(name, app_role, PASSWORD), 16
    pod.job.clients = (16,)
    loaded = pod.loaded()
    assert loaded["serverMajor"] == 16
    (warning,) = loaded["warnings"]
    assert "lacks the database's locale" in warning
    pod.report().succeeded()


def test_the_database_can_be_called_postgres_or_template1(pg, job, database):
    for name in ("postgres", "template1"):
        pg.execute(f"DO $$ BEGIN CREATE ROLE app_{name} LOGIN PASSWORD '{PASSWORD}'; END $$")
        with rehearsals.rehearsal(pg, name, f"app_{name}", job) as pod:
            pod.loaded()
            with pod.connect() as theirs:
                assert value(theirs, "SELECT current_database()") == (name,)
            pod.report().succeeded()


def test_user_mappings_stay_away(pod, pg, database):
    pg.execute(
        f"""
        CREATE FOREIGN DATA WRAPPER far; CREATE SERVER away FOREIGN DATA WRAPPER far;
        CREATE USER MAPPING FOR app_{database} SERVER away OPTIONS (password 'secret-of-far-away');
        ALTER SERVER away OWNER TO app_{database};
        """,
        database,
    )
    assert pod.loaded()["warnings"] == ["1 user mapping(s) of foreign servers were left out"]
    with pod.superuser() as copy:
        assert value(copy, "SELECT count(*) FROM pg_user_mapping") == (0,)


@pytest.mark.parametrize("major", [16, 18])
def test_other_versions(servers: Callable[[int], Postgres], major):
    pg = servers(major)
    name, role = pg.new_database(), f"app_of_{major}"
    pg.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{PASSWORD}'; CREATE ROLE other_{major}")
    pg.execute(f"ALTER DATABASE {name} OWNER TO {role}; GRANT other_{major} TO {role} WITH INHERIT FALSE, SET TRUE")
    with rehearsals.rehearsal(pg, name, role, Job(pg.url(name), clients=(15, 16, 18))) as pod:
        assert pod.loaded()["serverMajor"] == major
        pod.run_sql(["CREATE TABLE alembic_version (version_num text)", "INSERT INTO alembic_version VALUES ('a')"])
        outcome = pod.report()
        assert outcome.succeeded()["revisions"] == ["a"]
        assert outcome.facts["statements"] == 2
        with pod.superuser() as copy:
            query = f"SELECT inherit_option, set_option FROM pg_auth_members WHERE member = '{role}'::regrole"
            assert value(copy, query) == (False, True)


def test_a_newer_client_than_the_server(pod):
    pod.job.clients = (18,)
    pod.loaded()
    pod.run_sql(["CREATE TABLE one (id int)"])
    assert pod.report().succeeded()["schemaChanged"] is True


def test_a_version_that_moves_meanwhile_is_noticed(pod, pg, database):
    process = pod.job.start("load", rehearsal=pod.section())
    assert process.stdout is not None
    for line in process.stdout:
        if '"read"' in line:
            break
    pg.execute("UPDATE alembic_version SET version_num = 'b2'", database)
    pod.start_server()
    failure = pod.job.finish(process).failed_with("VersionMoved")
    assert failure["transient"] is True
    assert "['b2']" in failure["message"]


def test_no_secret_is_left_in_the_folder(pod, pg):
    pod.options["dataOf"] = ["customer"]
    pod.start_server()
    outcome = pod.load()
    outcome.succeeded()
    for path in Path(pod.folder).rglob("*"):
        if path.is_file() and "data" not in path.parts:
            assert PASSWORD.encode() not in path.read_bytes()
    assert PASSWORD not in outcome.log
    assert not re.search(r"postgresql://[^*]*:[^*]*@", outcome.log)
