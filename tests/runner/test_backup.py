"""A backup holds everything, whatever the names, the data and the encoding; and it says what it holds."""

from __future__ import annotations

import hashlib
import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.runner.programs import Job, store_of
from tests.servers.binaries import client_folder
from tests.servers.postgres import PASSWORD

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres
    from tests.servers.s3 import Store

pytestmark = pytest.mark.server

ODD = r"""
CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a1'), (E'tab\there'), (E'back\\slash');
CREATE SCHEMA "Zwei Wörter";
CREATE TABLE "Zwei Wörter"."naïve ""table"" (id) FROM stdin;" ("select" int, "Ünï" text);
INSERT INTO "Zwei Wörter"."naïve ""table"" (id) FROM stdin;" VALUES (1, '\.'), (2, E'a\n\\.\nb'), (3, NULL);
CREATE TABLE "line
COPY public.fake (id) FROM stdin;
" (id int);
INSERT INTO "line
COPY public.fake (id) FROM stdin;
" SELECT generate_series(1, 7);
CREATE TABLE measured (at date, value int) PARTITION BY RANGE (at);
CREATE TABLE measured_2025 PARTITION OF measured FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE TABLE measured_rest PARTITION OF measured DEFAULT;
INSERT INTO measured SELECT '2025-12-25'::date + g, g FROM generate_series(1, 20) g;
CREATE TABLE parent (id int); CREATE TABLE child () INHERITS (parent); INSERT INTO child VALUES (1);
CREATE TABLE empty (id int);
CREATE TABLE no_columns (); INSERT INTO no_columns SELECT FROM generate_series(1, 5);
CREATE UNLOGGED TABLE unlogged (id int); INSERT INTO unlogged VALUES (1);
CREATE TABLE computed (a int, b int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO computed VALUES (1);
CREATE MATERIALIZED VIEW seen AS SELECT * FROM child;
CREATE VIEW v AS SELECT 1 AS one;
CREATE SEQUENCE "it's; COPY public.x FROM stdin;";
SELECT lo_from_bytea(0::oid, repeat('abc', 100000)::bytea) FROM generate_series(1, 3);
CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; -- COPY public.g (id) FROM stdin;
$$;
COMMENT ON TABLE empty IS 'COPY public.h (id) FROM stdin;
1
\.';
"""
ROWS = {
    "public.alembic_version": 3,
    'Zwei Wörter.naïve "table" (id) FROM stdin;': 3,
    "public.line\nCOPY public.fake (id) FROM stdin;\n": 7,
    "public.measured_2025": 6,
    "public.measured_rest": 14,
    "public.parent": 0,
    "public.child": 1,
    "public.empty": 0,
    "public.no_columns": 5,
    "public.unlogged": 1,
    "public.computed": 1,
}


def manifest_of(store: Store, bucket: str, facts: dict) -> dict:
    return json.loads(store.client().get_object(Bucket=bucket, Key=facts["manifestKey"])["Body"].read())


def object_of(store: Store, bucket: str, facts: dict) -> bytes:
    key = facts["uri"].removeprefix(f"s3://{bucket}/")
    return store.client().get_object(Bucket=bucket, Key=key)["Body"].read()


@pytest.mark.parametrize("major", [15, 16, 18])
def test_everything_in_an_odd_database_is_counted(servers, s3_store, bucket, major):
    server: Postgres = servers(major)
    database = server.new_database()
    server.execute(ODD, database)
    job = Job(server.url(database), store_of(s3_store, bucket), clients=(15, 16, 18))
    facts = job.run("backup").succeeded()
    manifest = manifest_of(s3_store, bucket, facts)
    assert manifest["rows"] == ROWS
    assert (facts["tables"], facts["rows"]) == (len(ROWS), sum(ROWS.values()))
    assert facts["revisions"] == ["a1", "back\\slash", "tab\there"]
    assert manifest["dump"]["clientMajor"] == major


def test_the_stored_dump_restores_to_what_was_there(pg, database, job, s3_store, bucket, tmp_path):
    facts = job.run("backup").succeeded()
    dump = tmp_path / "dump.pgc"
    dump.write_bytes(object_of(s3_store, bucket, facts))
    assert hashlib.sha256(dump.read_bytes()).hexdigest() == facts["sha256"]
    assert dump.stat().st_size == facts["sizeBytes"]
    copy = pg.new_database()
    restore = [str(client_folder(15) / "pg_restore"), "-e", "-d", pg.url(copy), str(dump)]
    subprocess.run(restore, check=True, capture_output=True)
    with pg.connect(copy) as connection:
        assert connection.execute("SELECT count(*), max(name) FROM customer").fetchone() == (100, "customer 99")


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+asyncpg", "postgresql+psycopg"])
def test_the_scheme_and_an_awkward_password_do_not_matter(pg, database, job, scheme):
    job.url = pg.url(database, scheme=scheme)
    assert job.run("inspect").succeeded()["scheme"] == scheme
    assert job.run("backup").succeeded()["verified"] is True


def test_separate_variables_and_libpq_variables_work(pg, database, job):
    job.config["connection"] = {"host": "DB_HOST", "port": "DB_PORT", "password": "DB_PASSWORD"}
    job.variables = {
        "DB_HOST": "127.0.0.1",
        "DB_PORT": str(pg.port),
        "DB_PASSWORD": PASSWORD,
        "PGUSER": "root_of_all",
        "PGDATABASE": database,
        "PGCLIENTENCODING": "LATIN1",
        "PGOPTIONS": "-c statement_timeout=1h -c search_path=public",
        "LC_ALL": "de_DE.UTF-8",
    }
    assert job.run("backup").succeeded()["rows"] == 101


def test_bytes_in_no_encoding_do_not_matter(pg, s3_store, bucket):
    database = pg.new_database("ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0")
    with pg.connect(database, client_encoding="latin1") as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('caf\xe9')")
        connection.execute('CREATE TABLE "tabl\xe9" (id text)')
        connection.execute("INSERT INTO \"tabl\xe9\" VALUES ('\xff\xfe')")
    job = Job(pg.url(database), store_of(s3_store, bucket))
    assert job.run("inspect").succeeded()["revisions"] == ["caf\\xe9"]
    facts = job.run("backup").succeeded()
    assert manifest_of(s3_store, bucket, facts)["rows"] == {"public.alembic_version": 1, "public.tabl\\xe9": 1}


def test_a_latin1_database_keeps_its_encoding(pg, s3_store, bucket):
    database = pg.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    pg.execute('CREATE TABLE "größe" (id text); INSERT INTO "größe" VALUES (\'é\')', database)
    facts = Job(pg.url(database), store_of(s3_store, bucket)).run("backup").succeeded()
    assert (facts["tables"], facts["rows"], facts["revisions"]) == (1, 1, [])


def test_tables_of_extensions_may_or_may_not_have_rows_in_a_dump(pg, s3_store, bucket):
    database = pg.new_database()
    pg.execute("CREATE TABLE owned (id int); ALTER EXTENSION plpgsql ADD TABLE owned", database)
    facts = Job(pg.url(database), store_of(s3_store, bucket)).run("backup").succeeded()
    assert facts["tables"] == 0


@pytest.mark.parametrize(
    ("table", "exists"),
    [("history.alembic_version", True), ('"Hi.story"."Version s"', True), ("history.other", False)],
)
def test_the_version_table_may_lie_anywhere(pg, s3_store, bucket, table, exists):
    database = pg.new_database()
    pg.execute(
        """
        CREATE SCHEMA history; CREATE TABLE history.alembic_version AS SELECT 'b2' AS version_num;
        CREATE SCHEMA "Hi.story"; CREATE TABLE "Hi.story"."Version s" AS SELECT 'b2' AS version_num;
        """,
        database,
    )
    job = Job(pg.url(database), store_of(s3_store, bucket), config={"versionTable": table})
    facts = job.run("inspect").succeeded()
    assert (facts["versionTableExists"], facts["revisions"]) == (exists, ["b2"] if exists else [])
    assert job.run("backup").succeeded()["revisions"] == (["b2"] if exists else [])


def test_a_version_table_in_another_schema_is_pointed_at(pg, s3_store, bucket):
    database = pg.new_database()
    pg.execute("CREATE SCHEMA history; CREATE TABLE history.alembic_version (version_num text)", database)
    facts = Job(pg.url(database), store_of(s3_store, bucket)).run("inspect").succeeded()
    assert any("history" in warning for warning in facts["warnings"])


@pytest.mark.parametrize(
    ("asked", "used", "note"), [("zstd:1", "gzip:1", "no zstd"), ("gzip:6", "gzip:6", ""), ("none", "none", "")]
)
def test_compression_falls_back_and_says_so(job, asked, used, note):
    facts = job.run("backup", backup={"compression": asked}).succeeded()
    assert facts["compression"] == used
    assert note in facts["compressionNote"]
    assert bool(note) == bool(facts["compressionNote"])


def test_an_unknown_compression_is_refused(job):
    job.run("backup", backup={"compression": "rar"}).failed_with("InvalidConfig")


@pytest.mark.parametrize(
    ("asked", "checksums", "used", "note"),
    [
        ("Stream", "Auto", "Stream", ""),
        ("Stream", "FullObject", "Stream", ""),
        ("Stream", "WhenRequired", "ReadBack", "keeps no checksum"),
        ("ReadBack", "Auto", "ReadBack", ""),
    ],
)
@pytest.mark.parametrize("versioned", [False, True])
def test_verification_is_as_asked_for_or_says_why_not(pg, database, s3_store, asked, checksums, used, note, versioned):
    bucket = s3_store.new_bucket(versioned=versioned)
    job = Job(pg.url(database), store_of(s3_store, bucket, checksums=checksums))
    facts = job.run("backup", backup={"verify": asked}).succeeded()
    assert (facts["verify"], facts["verified"]) == (used, True)
    assert note in facts["verifyNote"]
    assert bool(facts["versionID"]) is versioned
    assert len(s3_store.keys(bucket)) == 2


def test_object_lock_is_no_obstacle(pg, database, s3_store):
    bucket = s3_store.new_bucket(versioned=True, lock=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    s3_store.client().put_object_lock_configuration(
        Bucket=bucket, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    job = Job(pg.url(database), store_of(s3_store, bucket))
    job.run("inspect").succeeded()
    assert job.run("backup").succeeded()["verified"] is True


def test_the_manifest_holds_no_secret_and_names_the_dump(pg, job, s3_store, bucket):
    facts = job.run("backup").succeeded()
    manifest = manifest_of(s3_store, bucket, facts)
    text = json.dumps(manifest)
    for secret in (PASSWORD, "test/secret"):
        assert secret not in text
    assert manifest["dump"]["sha256"] == facts["sha256"]
    assert manifest["takenAt"] == facts["takenAt"]
    assert manifest["resource"] == {"namespace": "shop", "name": "to-1-5", "uid": "5c0ffee5"}


def test_writes_during_the_dump_are_not_in_it(pg, database, job):
    """The version rows, the tables and the dump are of one moment."""
    pg.execute("CREATE TABLE late AS SELECT g FROM generate_series(1, 50) g", database)
    with pg.connect(database) as connection, connection.transaction():
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES ('b2')")
        facts = job.run("backup").succeeded()
    assert facts["revisions"] == ["a1"]
