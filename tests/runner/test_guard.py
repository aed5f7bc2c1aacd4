"""The guard: one migration at a time, nobody blocked for long, no session left behind, and a true report at the end."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import psycopg
import pytest
from tests.servers.postgres import PASSWORD
from tests.servers.processes import wait_for

from dbmigrations.runner import advisory

if TYPE_CHECKING:
    import subprocess

    from tests.runner.programs import Job
    from tests.servers.postgres import Postgres

pytestmark = pytest.mark.server


@pytest.fixture
def owner(pg: Postgres, database: str, job: Job) -> str:
    """An ordinary role, as applications have one; the guard connects as it."""
    name = f"app_{database}"
    pg.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'apps-password'; ALTER DATABASE {database} OWNER TO {name}")
    pg.execute(
        f"ALTER TABLE alembic_version OWNER TO {name}; ALTER TABLE customer OWNER TO {name};"
        f"ALTER TABLE nothing_in_it OWNER TO {name}; ALTER SCHEMA public OWNER TO {name}",
        database,
    )
    job.url = pg.url(database, name, "apps-password")
    return name


def armed(job: Job) -> subprocess.Popen[str]:
    process = job.start("guard")
    wait_for(lambda: (job.folder / "armed").exists() or process.poll() is not None, "the guard to arm")
    assert process.poll() is None, process.communicate()[0]
    return process


def migration(pg: Postgres, database: str, owner: str) -> psycopg.Connection:
    """A session as the migration's container would open it: same role, same address."""
    return pg.connect(database, user=owner, password="apps-password", application_name="")


def end(job: Job, process: subprocess.Popen[str]):
    process.send_signal(signal.SIGTERM)
    return job.finish(process)


def test_a_quiet_migration_is_reported(pg, database, job, owner):
    before = job.run("gate").succeeded()["fingerprint"]
    guard = armed(job)
    with migration(pg, database, owner) as connection:
        connection.execute("SELECT * FROM customer")
    facts = end(job, guard).succeeded()
    assert (facts["sessionsLeft"], facts["lockWait"], facts["lockLost"]) == (0, None, False)
    assert facts["fingerprint"] == before


def test_a_second_migration_of_the_same_database_does_not_start(pg, database, job, owner):
    job.variables["DBM_LOCK_DEADLINE_SECONDS"] = "0.5"
    with pg.connect(database, application_name="other-migration") as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (advisory.KEY,))
        outcome = job.run("guard")
    assert "other-migration@" in outcome.failed_with("LockHeld")["message"]
    assert not (job.folder / "armed").exists()


def test_the_lock_is_waited_for(pg, database, job, owner):
    holder = pg.connect(database, application_name="other-migration")
    holder.execute("SELECT pg_advisory_lock(%s)", (advisory.KEY,))
    guard = job.start("guard")
    assert guard.stdout is not None
    for line in guard.stdout:
        if "waiting for the lock" in line:
            break
    holder.close()
    wait_for(lambda: (job.folder / "armed").exists(), "the guard to arm")
    end(job, guard).succeeded()


def test_locks_of_other_databases_do_not_matter(pg, database, job, owner):
    with pg.connect(pg.new_database()) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (advisory.KEY,))
        end(job, armed(job)).succeeded()


def test_sigterm_while_waiting_for_the_lock_ends_it(pg, database, job, owner):
    with pg.connect(database) as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", (advisory.KEY,))
        guard = job.start("guard")
        assert guard.stdout is not None
        for line in guard.stdout:
            if "waiting for the lock" in line:
                break
        end(job, guard).failed_with("Interrupted")


def test_the_lock_does_not_stand_in_the_way_of_concurrent_indexes(pg, database, job, owner):
    guard = armed(job)
    with migration(pg, database, owner) as connection:
        connection.execute("SET statement_timeout = '20s'")
        connection.execute("CREATE INDEX CONCURRENTLY by_name ON customer (name)")
    facts = end(job, guard).succeeded()
    assert facts["fingerprint"]["invalidIndexes"] == []


def test_a_migration_that_waits_for_a_lock_is_cancelled_and_the_holder_named(pg, database, job, owner):
    guard_config = {"lockTimeoutSeconds": 0.2}
    job.config.update(guard_config)
    guard = armed(job)
    with pg.connect(database, application_name="reporting") as holder, holder.transaction():
        holder.execute("SELECT * FROM customer")
        with migration(pg, database, owner) as connection, pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("ALTER TABLE customer ADD COLUMN x int")
    facts = end(job, guard).succeeded()
    assert facts["cancelled"] == 1
    assert facts["lockWait"]["application"] == "reporting"
    assert facts["lockWait"]["seconds"] > 0.2


def test_others_who_wait_for_locks_are_left_alone(pg, database, job, owner):
    job.config["lockTimeoutSeconds"] = 0.1
    waiting = pg.connect(database, application_name="older")
    guard = armed(job)
    with pg.connect(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE customer")
        waiter = threading.Thread(target=lambda: waiting.execute("SELECT count(*) FROM customer"))
        waiter.start()
        wait_for(lambda: _waits(pg, "older"), "the other session to wait for 2 s")
    waiter.join()
    waiting.close()
    facts = end(job, guard).succeeded()
    assert (facts["cancelled"], facts["lockWait"]) == (0, None)


def _waits(pg: Postgres, application: str) -> bool:
    query = """
        SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
        WHERE NOT granted AND application_name = %s AND waitstart < clock_timestamp() - interval '2 s'
    """
    with pg.connect() as connection:
        return connection.execute(query, (application,)).fetchone() == (1,)


def test_sessions_that_outlive_the_migration_are_ended(pg, database, job, owner):
    old = migration(pg, database, owner)
    guard = armed(job)
    left = migration(pg, database, owner)
    left.execute("BEGIN")
    left.execute("DELETE FROM customer")
    before = pg.connect(database)
    facts = end(job, guard).succeeded()
    assert facts["sessionsLeft"] == 0
    assert facts["sessionsSeen"] >= 1
    with pytest.raises(psycopg.OperationalError):
        left.execute("COMMIT")
    assert old.execute("SELECT count(*) FROM customer").fetchone() == (100,)
    assert before.execute("SELECT 1").fetchone() == (1,)
    for connection in (old, before, left):
        connection.close()


def test_a_statement_that_runs_on_without_its_client_is_ended(pg, database, job, owner):
    guard = armed(job)
    connection = migration(pg, database, owner)
    thread = threading.Thread(target=_ignore_end, args=(connection, "SELECT pg_sleep(600)"))
    thread.start()
    wait_for(lambda: _runs(pg, "pg_sleep(600)"), "the statement to run")
    facts = end(job, guard).succeeded()
    thread.join()
    connection.close()
    assert facts["sessionsLeft"] == 0
    assert not _runs(pg, "pg_sleep(600)")


def _ignore_end(connection: psycopg.Connection, query: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        connection.execute(query.encode())


def _runs(pg: Postgres, part: str) -> bool:
    with pg.connect() as connection:
        query = (
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()"
        )
        return connection.execute(query, (f"%{part}%",)).fetchone() != (0,)


def test_a_restarted_guard_never_arms_and_ends_what_runs(pg, database, job, owner):
    first = armed(job)
    left = migration(pg, database, owner)
    first.kill()
    job.finish(first)
    second = job.start("guard")
    wait_for(lambda: _closed(left), "the migration's session to be ended")
    left.close()
    outcome = end(job, second)
    failure = outcome.failed_with("GuardRestarted")
    assert failure["facts"]["sessionsLeft"] == 0
    assert "armed" not in outcome.log


def _closed(connection: psycopg.Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def test_a_guard_restarted_before_it_armed_never_arms(job, owner):
    (job.folder / "guard-started").touch()
    guard = job.start("guard")
    assert guard.stdout is not None
    for line in guard.stdout:
        if "restarted" in line:
            break
    end(job, guard).failed_with("GuardRestarted")
    assert not (job.folder / "armed").exists()


def test_inspect_ends_what_a_lost_pod_left_behind_before_it_reads(pg, database, job, owner):
    left, other = migration(pg, database, owner), pg.connect(database)
    left.execute("BEGIN")
    left.execute("UPDATE alembic_version SET version_num = 'b2'")
    facts = job.run("inspect", store=None, endSessionsOf=["127.0.0.1"]).succeeded()
    assert facts["revisions"] == ["a1"]
    assert _closed(left)
    assert not _closed(other)
    left.close()
    other.close()


def test_a_lost_lock_is_reported(pg, database, job, owner):
    guard = armed(job)
    pg.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbmigrations-guard'")
    wait_for(lambda: _holders(pg, database) == 1, "the guard to take the lock again")
    facts = end(job, guard).succeeded()
    assert facts["lockLost"] is True
    assert facts["fingerprint"]["revisions"] == ["a1"]


def _holders(pg: Postgres, database: str) -> int:
    with pg.connect(database) as connection:
        row = connection.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted").fetchone()
        assert row is not None
        return int(row[0])


def test_no_secret_is_printed(pg, database, job, owner):
    job.url = pg.url(database)
    outcome = end(job, armed(job))
    assert PASSWORD not in outcome.log
    assert PASSWORD.encode() not in outcome.raw
    assert "%2540s" not in outcome.log
