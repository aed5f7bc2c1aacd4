"""The report of a rehearsal, however it ends: what the command looked at, and what went wrong on the way."""

from __future__ import annotations

import json

import psycopg
import pytest
from tests.runner.rehearsals import VERSION, plan_of
from tests.servers import processes
from tests.servers.processes import wait_for

pytestmark = pytest.mark.server

A_TO_B = VERSION.format("a1", "b2")
B_TO_C = VERSION.format("b2", "c3")


def test_a_command_that_never_connects(pod):
    pod.loaded()
    outcome = pod.report()
    facts = outcome.succeeded()
    assert (facts["connected"], facts["versionTableRead"], facts["statements"]) == (False, False, 0)
    assert facts["revisions"] == ["a1"]
    assert plan_of(outcome).sql == []


def test_a_command_that_looks_at_something_else(pod):
    pod.loaded()
    pod.run_sql(["SELECT * FROM customer"])
    facts = pod.report().succeeded()
    assert (facts["connected"], facts["versionTableRead"]) == (True, False)


def test_the_role_may_not_do_more_than_in_reality(pod):
    pod.loaded()
    forbidden = [
        "CREATE ROLE someone",
        "CREATE DATABASE other",
        "COPY customer TO PROGRAM 'cat'",
        "SET log_statement = none",
    ]
    with pod.connect(autocommit=True) as connection:
        for statement in [*forbidden, "DROP EVENT TRIGGER dbmigrations_rehearsal_done"]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.encode())
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects"):
        pod.connect("dbmigrations_scratch")
    # That was the application's last error, and it did not log in as anybody else.
    assert pod.report().succeeded()["error"]["sqlstate"] == "28000"


def test_the_result_fits_with_many_revisions(pod, pg, database):
    pg.execute("INSERT INTO alembic_version SELECT md5(g::text) FROM generate_series(1, 60) g", database)
    pod.loaded()
    with pod.connect(autocommit=True) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("SELECT " + "数" * 400)
    outcome = pod.report()
    assert len(outcome.raw) <= 2048
    assert outcome.succeeded()["revisionsMore"] + len(outcome.facts["revisions"]) == 61
    assert outcome.facts["error"]["sqlstate"] == "42703"


def test_a_command_that_takes_too_long(pod):
    pod.options["timeoutSeconds"] = 0.5
    pod.loaded()
    connection = pod.connect()
    connection.execute("CREATE TABLE never (id int)")
    pod.start_report()
    wait_for(lambda: (pod.job.folder / "result").exists(), "the result")
    early = json.loads((pod.job.folder / "result").read_bytes())
    assert not pod.ended()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    outcome = pod.report()
    failure = outcome.failed_with("RehearsalTimeout")
    assert early == failure
    assert "CREATE TABLE never (id int)" in failure["message"]
    assert (failure["facts"]["schemaChanged"], failure["facts"]["error"]) == (False, None)
    assert plan_of(outcome).sql == ["CREATE TABLE never (id int)"]


def test_a_report_that_is_started_again_just_works(pod):
    pod.loaded()
    pod.start_report()
    pod.run_sql([A_TO_B])
    assert pod.report().succeeded()["revisions"] == ["b2"]
    again = pod.report()
    assert again.succeeded()["revisions"] == ["b2"]
    assert plan_of(again).sql == [A_TO_B]


def test_a_failed_concurrent_index_is_named(pod):
    pod.options["dataOf"] = ["public.customer"]
    pod.job.config["deadlineSeconds"] = 120
    pod.loaded()
    with pod.connect(autocommit=True) as connection:
        connection.execute("UPDATE customer SET name = 'same'")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("CREATE UNIQUE INDEX CONCURRENTLY by_name ON customer (name)")
    assert pod.report().succeeded()["invalidIndexes"] == ["public.by_name"]


def test_a_scratch_server_that_is_gone_is_named(pod):
    pod.loaded()
    shell, pod.shell = pod.shell, 0
    processes.stop(shell)
    pod.report().failed_with("ScratchFailed")


def test_a_role_that_is_locked_out_is_no_obstacle(pod, pg):
    pg.execute(f"ALTER ROLE {pod.role} CREATEROLE")
    pod.loaded()
    with pod.superuser() as server:
        server.execute(f"ALTER ROLE {pod.role} NOLOGIN".encode())
    assert pod.report().succeeded()["revisions"] == ["a1"]
