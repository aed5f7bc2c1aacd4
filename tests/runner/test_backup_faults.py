"""Whatever happens to a backup, it is either whole or not there at all."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runner.programs import Job, store_of
from tests.servers.processes import wait_for
from tests.servers.proxy import Proxy, Request, ResetError

if TYPE_CHECKING:
    import subprocess

    from tests.servers.postgres import Postgres
    from tests.servers.s3 import Store

pytestmark = pytest.mark.server

MIB = 1024 * 1024
# Without compression 450,000 rows make about 50 MB: more than the parts and pipes between pg_dump and the store hold.
FILL = "CREATE TABLE filling AS SELECT g AS id, repeat(md5(g::text), 3) AS text FROM generate_series(1, 450000) g"


@pytest.fixture(scope="module")
def large_database(pg: Postgres) -> str:
    name = pg.new_database()
    pg.execute(f"CREATE TABLE alembic_version AS SELECT 'a1' AS version_num; {FILL}", name)
    return name


@pytest.fixture
def slow_job(pg: Postgres, large_database: str, s3_store: Store, bucket: str, proxy: Proxy) -> Job:
    """A backup of several parts, through the proxy."""
    store = store_of(s3_store, bucket, endpoint=proxy.endpoint)
    return Job(pg.url(large_database), store, config={"backup": {"compression": "none", "verify": "Stream"}})


class Gate:
    """Holds the second part of an upload back until it is opened."""

    def __init__(self, proxy: Proxy) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()
        self._parts = 0
        proxy.before = self._before

    def _before(self, request: Request) -> None:
        # The canary's part is small.
        if request.is_part and request.size > MIB:
            self._parts += 1
            if self._parts >= 2:
                self.reached.set()
                self.opened.wait(60)


def child_named(parent: int, name: str) -> int:
    """The process id of a program's child, 0 if it has none of that name."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except OSError:
                continue
            if f"({name})" in stat and int(stat.rpartition(")")[2].split()[1]) == parent:
                return int(folder.name)
    return 0


def nothing_left(store: Store, bucket: str) -> bool:
    return store.keys(bucket) == [] and store.uploads(bucket) == []


def no_sessions(pg: Postgres) -> bool:
    with pg.connect() as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'dbmigrations%'"
        return connection.execute(query).fetchone() == (0,)


def start_and_hold(job: Job, proxy: Proxy) -> tuple[subprocess.Popen[str], Gate]:
    gate = Gate(proxy)
    process = job.start("backup")
    assert gate.reached.wait(60), "no second part was sent"
    return process, gate


def test_a_backup_of_several_parts_is_whole(slow_job, s3_store, bucket):
    facts = slow_job.run("backup").succeeded()
    assert facts["rows"] == 450_001
    assert facts["sizeBytes"] > 40 * MIB
    assert s3_store.uploads(bucket) == []


def test_pg_dump_killed_in_the_middle_leaves_nothing(slow_job, proxy, pg, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    victim = child_named(process.pid, "pg_dump")
    assert victim
    os.kill(victim, signal.SIGKILL)
    gate.opened.set()
    outcome = slow_job.finish(process)
    assert "signal 9" in outcome.failed_with("DumpFailed")["message"]
    assert nothing_left(s3_store, bucket)
    wait_for(lambda: no_sessions(pg), "our sessions to end")


def test_pg_restore_killed_in_the_middle_leaves_nothing(slow_job, proxy, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    os.kill(child_named(process.pid, "pg_restore"), signal.SIGKILL)
    gate.opened.set()
    slow_job.finish(process).failed_with("VerificationFailed")
    assert nothing_left(s3_store, bucket)


def test_the_servers_session_killed_in_the_middle_leaves_nothing(slow_job, proxy, pg, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    pg.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'dbmigrations-dump'",
        "postgres",
    )
    gate.opened.set()
    outcome = slow_job.finish(process)
    assert outcome.failed_with("DumpFailed")["transient"] is True
    assert nothing_left(s3_store, bucket)


def test_sigterm_in_the_middle_leaves_nothing_and_says_so(slow_job, proxy, pg, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    process.terminate()
    # The part that is on its way arrives after the upload was aborted.
    wait_for(lambda: any(request.is_abort for request in proxy.requests), "the upload to be aborted")
    gate.opened.set()
    outcome = slow_job.finish(process)
    assert outcome.failed_with("Interrupted")["transient"] is True
    assert nothing_left(s3_store, bucket)
    wait_for(lambda: no_sessions(pg), "our sessions to end")


def test_sigterm_while_the_dump_is_read_back_leaves_nothing(job, proxy, s3_store, bucket):
    job.store = {**job.store, "endpoint": proxy.endpoint}
    reached, opened = threading.Event(), threading.Event()

    def hold(request: Request) -> None:
        if request.method == "GET" and "dump.pgc" in request.path:
            reached.set()
            opened.wait(60)

    proxy.before = hold
    process = job.start("backup", backup={"verify": "ReadBack"})
    assert reached.wait(30)
    process.terminate()
    outcome = job.finish(process, timeout=30)
    opened.set()
    outcome.failed_with("Interrupted")
    assert nothing_left(s3_store, bucket)


def test_a_store_that_hangs_is_given_up_at_the_deadline(slow_job, proxy, pg):
    gate = Gate(proxy)
    outcome = slow_job.run("backup", deadlineSeconds=26)
    outcome.failed_with("DeadlineExceeded")
    gate.opened.set()
    wait_for(lambda: no_sessions(pg), "our sessions to end")


def test_an_upload_left_by_a_killed_backup_is_swept_by_the_next_attempt(slow_job, proxy, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    process.kill()
    gate.opened.set()
    slow_job.finish(process)
    assert len(s3_store.uploads(bucket)) == 1
    foreign = {"Bucket": bucket, "Key": "backups/shop/to-1-5/another-uid/1/1/dump.pgc"}
    s3_store.client().create_multipart_upload(**foreign)
    slow_job.run("backup", attempt=2).succeeded()
    assert s3_store.uploads(bucket) == [foreign["Key"]]


def test_a_connection_that_breaks_three_times_is_tried_again(slow_job, proxy, s3_store, bucket):
    broken: list[str] = []

    def reset(request: Request) -> None:
        if request.is_part and len(broken) < 3:
            broken.append(request.path)
            raise ResetError

    proxy.before = reset
    facts = slow_job.run("backup").succeeded()
    assert len(broken) == 3
    assert facts["rows"] == 450_001


def test_a_part_that_lost_bytes_is_noticed(slow_job, proxy, s3_store, bucket):
    """The store says 200 to every part, and has less than it was given."""

    def truncate(request: Request) -> None:
        if request.is_complete and b"canary" not in request.path.encode():
            part = max(s3_store.parts(bucket), key=lambda path: path.stat().st_size)
            os.truncate(part, part.stat().st_size - 1000)

    proxy.before = truncate
    outcome = slow_job.run("backup")
    assert outcome.reason in ("VerificationFailed", "UploadFailed"), outcome
    assert outcome.code == 1
    assert nothing_left(s3_store, bucket)


def damage_after_upload(proxy: Proxy, store: Store, bucket: str, how: str) -> None:
    """Between upload and verification the stored object loses its end, or one bit of it turns."""

    def change(request: Request) -> None:
        if request.is_complete and "dump.pgc" in request.path:
            (key,) = store.keys(bucket)
            path = store.file(bucket, key)
            if how == "truncate":
                os.truncate(path, path.stat().st_size // 2)
            else:
                with path.open("r+b") as file:
                    file.seek(path.stat().st_size // 2)
                    byte = file.read(1)[0]
                    file.seek(-1, os.SEEK_CUR)
                    file.write(bytes([byte ^ 1]))

    proxy.after = change


@pytest.mark.parametrize(
    ("how", "verify", "compression"),
    [
        ("truncate", "Stream", "gzip:1"),
        ("truncate", "ReadBack", "gzip:1"),
        ("flip", "ReadBack", "gzip:1"),
        ("flip", "ReadBack", "none"),
    ],
)
def test_a_damaged_object_is_not_taken_for_a_backup(job, proxy, s3_store, bucket, how, verify, compression):
    job.store = {**job.store, "endpoint": proxy.endpoint}
    damage_after_upload(proxy, s3_store, bucket, how)
    outcome = job.run("backup", backup={"verify": verify, "compression": compression})
    outcome.failed_with("VerificationFailed")
    assert nothing_left(s3_store, bucket)


def test_the_same_attempt_twice_makes_one_backup(job, s3_store, bucket):
    facts = job.run("backup").succeeded()
    before = sorted(s3_store.keys(bucket))
    again = job.run("backup")
    again.failed_with("ManifestExists")
    assert sorted(s3_store.keys(bucket)) == before
    expect = {"manifest": {"key": facts["manifestKey"], "sha256": facts["sha256"]}}
    job.run("gate", expect=expect).succeeded()


def test_the_same_attempt_at_the_same_time_makes_one_backup(slow_job, proxy, s3_store, bucket):
    process, gate = start_and_hold(slow_job, proxy)
    direct = Job(slow_job.url, {**slow_job.store, "endpoint": s3_store.endpoint}, config=slow_job.config)
    facts = direct.run("backup").succeeded()
    gate.opened.set()
    slow_job.finish(process).failed_with("ManifestExists")
    assert len(s3_store.keys(bucket)) == 2
    expect = {"manifest": {"key": facts["manifestKey"], "sha256": facts["sha256"]}}
    direct.run("gate", expect=expect).succeeded()


@pytest.mark.parametrize("verify", ["Stream", "ReadBack"])
def test_a_lost_answer_to_the_last_request_is_no_failure(job, proxy, s3_store, bucket, verify):
    """The store completes the upload and writes the manifest, and its answers never arrive."""
    job.store = {**job.store, "endpoint": proxy.endpoint}
    lost: list[str] = []

    def lose(request: Request) -> None:
        important = (request.is_complete and "dump.pgc" in request.path) or request.path.endswith("manifest.json")
        if important and request.method in ("POST", "PUT") and request.path not in lost:
            lost.append(request.path)
            raise ConnectionResetError

    proxy.after = lose
    facts = job.run("backup", backup={"verify": verify}).succeeded()
    assert len(lost) == 2
    assert facts["verified"] is True
    assert len(s3_store.keys(bucket)) == 2


def test_other_sessions_prevent_a_backup_and_are_named(pg, database, job, s3_store, bucket):
    with pg.connect(database, application_name="cron-worker"):
        outcome = job.run("backup", sessions={"ignore": [], "timeoutSeconds": 0.5})
        failure = outcome.failed_with("ForeignSessions")
    assert failure["facts"]["sessions"] == ["cron-worker@127.0.0.1"]
    assert "cron-worker@127.0.0.1" in failure["message"]
    assert nothing_left(s3_store, bucket)


def test_a_backup_waits_for_other_sessions_to_end(pg, database, job):
    connection = pg.connect(database, application_name="cron-worker")
    process = job.start("backup", sessions={"ignore": [], "timeoutSeconds": 60})
    assert process.stdout is not None
    for line in process.stdout:
        if "cron-worker" in line:
            break
    connection.close()
    job.finish(process).succeeded()


def test_online_backups_ignore_other_sessions(pg, database, job):
    with pg.connect(database, application_name="cron-worker"):
        job.run("backup", sessions={"ignore": [], "timeoutSeconds": 0}, online=True).succeeded()


def test_another_database_or_version_is_not_backed_up(pg, database, job, s3_store, bucket):
    job.run("backup", expect={"database": {"id": "another"}}).failed_with("WrongDatabase")
    job.run("backup", expect={"revisions": ["b2"]}).failed_with("RevisionsChanged")
    assert nothing_left(s3_store, bucket)


def test_a_locked_table_ends_the_dump_in_time(pg, database, job, s3_store, bucket):
    with pg.connect(database) as connection, connection.transaction():
        connection.execute("LOCK TABLE customer IN ACCESS EXCLUSIVE MODE")
        job.run("backup", deadlineSeconds=60).failed_with("DatabaseBusy")
    assert nothing_left(s3_store, bucket)
