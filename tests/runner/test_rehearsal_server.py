"""The scratch server as a process: any image's server starts, says why it does not, and ends at once."""

from __future__ import annotations

import os
import subprocess

import psycopg
import pytest
from tests.servers import processes
from tests.servers.processes import wait_for

from dbmigrations.manifests import scratch as manifest
from dbmigrations.runner import scratch

pytestmark = pytest.mark.server


def value(connection: psycopg.Connection, query: str):
    rows = connection.execute(query.encode()).fetchall()
    return rows[0] if len(rows) == 1 else rows


def test_the_superuser_has_one_name():
    assert scratch.SUPERUSER == manifest.SUPERUSER


def test_tls_is_spoken(pod):
    pod.loaded()
    with pod.connect(sslmode="require") as theirs:
        assert value(theirs, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == (True,)
    settings = pod.folder / "settings" / "server.crt"
    with pod.connect(host="localhost", sslmode="verify-full", sslrootcert=str(settings)) as theirs:
        theirs.execute("SELECT 1")


def test_an_image_without_a_server_is_named(pod):
    pod.start_server(DBM_SCRATCH_BIN="/nowhere")
    failure = pod.load().failed_with("ScratchFailed")
    assert "initdb failed" in failure["message"]


def test_a_port_that_is_taken_is_named(pod, pg):
    pod.port = pg.port
    pod.start_server()
    failure = pod.load().failed_with("ScratchFailed")
    assert "the server ended with code" in failure["message"]


def test_the_server_ends_at_once_while_it_waits_and_while_it_runs(pod):
    pod.start_server()
    shell, pod.shell = pod.shell, 0
    processes.stop(shell, timeout=2)
    assert not (pod.folder / "data").exists()
    pod.loaded()
    connection = pod.connect()
    connection.execute("SELECT 1")
    shell, pod.shell = pod.shell, 0
    processes.stop(shell, timeout=10)
    connection.close()
    wait_for(lambda: not (pod.folder / "data" / "postmaster.pid").exists(), "the server to be gone")


def test_a_server_that_is_started_again_has_its_data(pod):
    pod.loaded()
    shell, pod.shell = pod.shell, 0
    processes.stop(shell, timeout=10)
    pod.start_server()

    def there() -> bool:
        try:
            pod.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    wait_for(there, "the server")
    assert pod.report().succeeded()["revisions"] == ["a1"]


def test_the_newest_server_of_the_image_is_found(pod):
    pod.start_server(DBM_SCRATCH_BIN="")
    pod.load().succeeded()


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_user_without_an_entry_is_named(pod):
    env = {"PATH": "/usr/bin:/bin", "DBM_SCRATCH": str(pod.folder)}
    command = ["/bin/sh", "-c", manifest.START_SCRIPT]
    with subprocess.Popen(command, env=env, user=65531, group=65531, stderr=subprocess.DEVNULL) as server:
        failure = pod.load().failed_with("ScratchFailed")
        assert server.wait() == 1
    assert "the user id 65531 has no entry in the image's /etc/passwd" in failure["message"]
