"""Committed changes show in the fingerprint, rolled back ones do not, and what cannot be told says so."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.server

PARTS = ("revisions", "schema", "invalid", "files", "changes", "resets")


def look(job):
    return job.run("inspect", store=None).succeeded()["fingerprint"]


def differences(before, after):
    return {part for part in PARTS if before[part] != after[part]}


@pytest.mark.parametrize(
    ("statements", "moved"),
    [
        ("SELECT count(*) FROM customer", set()),
        ("BEGIN; UPDATE customer SET name = 'x'; DELETE FROM customer; ROLLBACK", set()),
        (
            "BEGIN; CREATE TABLE t (id int); ALTER TABLE customer ALTER id TYPE bigint; TRUNCATE customer; ROLLBACK",
            set(),
        ),
        ("UPDATE customer SET name = 'x' WHERE id = 1", {"changes"}),
        ("DELETE FROM customer", {"changes"}),
        ("INSERT INTO nothing_in_it VALUES (1)", {"changes"}),
        ("SELECT lo_from_bytea(0::oid, 'x'::bytea)", {"changes"}),
        ("TRUNCATE nothing_in_it", {"files"}),
        ("ALTER TABLE customer ALTER id TYPE bigint", {"schema", "files"}),
        ("ALTER TABLE customer RENAME name TO title", {"schema"}),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS E'\\n-- one\\nSELECT 1'", {"schema"}),
        ("GRANT SELECT ON customer TO pg_monitor", {"schema"}),
        ("UPDATE alembic_version SET version_num = 'b2'", {"revisions", "changes"}),
        ("ANALYZE customer", {"changes", "resets"}),
        ("CREATE TEMPORARY TABLE x AS SELECT 1", set()),
    ],
)
def test_what_moves(statements, moved, pg, database, job):
    before = look(job)
    with pg.connect(database) as connection:
        for statement in statements.split("; "):
            connection.execute(statement.encode())
    assert differences(before, look(job)) == moved


def test_a_failed_concurrent_index_is_named(pg, database, job):
    pg.execute("UPDATE customer SET name = 'same'", database)
    before = look(job)
    with pg.connect(database) as connection, pytest.raises(Exception, match="could not create unique index"):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY by_name ON customer (name)")
    after = look(job)
    assert after["invalidIndexes"] == ["public.by_name"]
    # pg_dump leaves invalid indexes out: the schema's hash alone would not tell.
    assert {"invalid", "files"} <= differences(before, after)


def test_other_databases_do_not_disturb(pg, database, job):
    before = look(job)
    pg.execute("CREATE TABLE busy AS SELECT generate_series(1, 1000)", pg.new_database())
    assert look(job) == before


def test_a_crash_of_the_server_is_seen(servers):
    from tests.runner.programs import Job
    from tests.servers import postgres

    server = postgres.start(15)
    try:
        job = Job(server.url(server.new_database()))
        before = look(job)
        server.crash_backend()
        assert "resets" in differences(before, look(job))
    finally:
        server.stop()


@pytest.mark.parametrize("major", [15, 16, 18])
def test_two_looks_at_an_untouched_database_are_equal(servers, major):
    from tests.runner.programs import Job

    server = servers(major)
    job = Job(server.url(server.new_database()), clients=(15, 16, 18))
    assert look(job) == look(job)
