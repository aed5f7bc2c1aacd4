"""Rehearsals as their Pod has them: the start script with real binaries, load, the application, report."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from tests.servers import postgres, processes
from tests.servers.binaries import postgres_folder

from dbmigrations.manifests.scratch import START_SCRIPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.runner.programs import Job, Outcome
    from tests.servers.postgres import Postgres

PASSWORD = "apps-password"
VERSION = "UPDATE alembic_version SET version_num='{1}' WHERE alembic_version.version_num = '{0}'"
"""As Alembic writes it."""


@dataclass
class Plan:
    """What `report` printed, put together as the operator does."""

    files: dict[str, str]

    @property
    def statements(self) -> str:
        return self.files["statements.sql"]

    @property
    def diff(self) -> str:
        return self.files["schema.diff"]

    @property
    def sql(self) -> list[str]:
        """The statements without comments, one an item."""
        lines = [line for line in self.statements.splitlines() if line and not line.startswith("--")]
        return [statement.strip("; \n") for statement in "\n".join(lines).split(";\n") if statement.strip("; \n")]

    @property
    def comments(self) -> list[str]:
        return [line for line in self.statements.splitlines() if line.startswith("--")]


def plan_of(outcome: Outcome) -> Plan:
    """Every line is small, the parts are in order, and their hashes are those of the result."""
    parts: dict[str, list[str]] = {}
    listed: list[dict[str, Any]] = []
    for line in outcome.log.split("\n")[:-1]:
        assert len(line.encode()) < 8192 or '"step"' in line
        raw = json.loads(line)
        if raw.get("dbm") == "plan":
            texts = parts.setdefault(raw["file"], [])
            assert raw["part"] == len(texts)
            texts.append(raw["text"])
        elif raw.get("dbm") == "plan-end":
            listed = raw["files"]
    files = {item["name"]: "".join(parts.get(item["name"], [])) for item in listed}
    for item in listed:
        assert hashlib.sha256(files[item["name"]].encode()).hexdigest() == item["sha256"]
    whole = "".join(files.values())
    facts = outcome.facts["plan"]
    without_times = re.sub(r"^(-- .*), \d+ ms$", r"\1", whole, flags=re.MULTILINE)
    assert facts["sha256"] == hashlib.sha256(without_times.encode()).hexdigest()
    assert facts["lines"] == whole.count("\n")
    return Plan(files)


@dataclass
class Rehearsal:
    """One Pod. ``job`` is what `load` gets; the application comes as ``role``, by TCP, without a password."""

    job: Job
    database: str
    role: str
    major: int
    folder: Path
    port: int = field(default_factory=processes.free_port)
    options: dict[str, Any] = field(default_factory=dict)
    shell: int = 0
    reporting: subprocess.Popen[str] | None = None

    def start_server(self, **environment: str) -> None:
        """The container scratch, as an unprivileged user."""
        user = processes.unprivileged_user()
        binaries = postgres._runnable(postgres_folder(self.major), user, self.folder.parent)
        env = {"PATH": "/usr/bin:/bin", "DBM_SCRATCH": str(self.folder), "DBM_SCRATCH_BIN": str(binaries)}
        command = ["/bin/sh", "-c", START_SCRIPT]
        self.shell = processes.start(self.folder.parent, command, user=user, env={**env, **environment})

    def section(self) -> dict[str, Any]:
        given = {"folder": str(self.folder), "port": self.port, "names": ["db", "db.shop.svc"]}
        return {**given, "database": self.database, "role": self.role, "timeoutSeconds": 60, **self.options}

    def load(self) -> Outcome:
        return self.job.run("load", rehearsal=self.section())

    def loaded(self) -> dict[str, Any]:
        self.start_server()
        return self.load().succeeded()

    def connect(self, role: str = "", **params: Any) -> psycopg.Connection[Any]:
        """As the application would; a transaction begins with the first statement."""
        wanted = {"host": "127.0.0.1", "port": self.port, "user": role or self.role, "dbname": self.database}
        return psycopg.connect(**{**wanted, **params})

    def superuser(self, database: str = "") -> psycopg.Connection[Any]:
        """As load and report come."""
        name = database or self.database
        socket = str(self.folder / "socket")
        return psycopg.connect(host=socket, port=self.port, user="dbmigrations_scratch", dbname=name, autocommit=True)

    def url(self, scheme: str = "postgresql+psycopg") -> str:
        return f"{scheme}://{self.role}:rehearsal@127.0.0.1:{self.port}/{self.database}"

    def run_sql(self, *transactions: str | list[str]) -> None:
        """Play the application: each item is a transaction of its own."""
        with self.connect() as connection:
            for statements in transactions:
                for statement in [statements] if isinstance(statements, str) else statements:
                    connection.execute(statement.encode())
                connection.commit()

    def start_report(self, **environment: str) -> None:
        """It has none of the application's variables."""
        full = self.job.environment("report", rehearsal=self.section(), connection=None, store=None)
        full.pop("DATABASE_URL")
        (self.job.folder / "result").unlink(missing_ok=True)
        log = self.job.folder / "report.log"
        with log.open("w") as out:
            self.reporting = subprocess.Popen(
                [sys.executable, "-m", "dbmigrations.runner", "report"],
                env={**full, **environment},
                cwd=self.job.folder,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        processes.wait_for(lambda: "watching" in log.read_text() or self.ended(), "report to watch")

    def ended(self) -> bool:
        assert self.reporting is not None
        return self.reporting.poll() is not None

    def report(self, timeout: float = 60) -> Outcome:
        """End the main container: report is told to stop."""
        if self.reporting is None:
            self.start_report()
        assert self.reporting is not None
        self.reporting.send_signal(signal.SIGTERM)
        outcome = self.job.finish(self.reporting, timeout)
        outcome.log = (self.job.folder / "report.log").read_text()
        self.reporting = None
        return outcome

    def close(self) -> None:
        if self.reporting is not None:
            self.reporting.kill()
            self.reporting.wait()
        if self.shell:
            processes.stop(self.shell)
        processes.remove(self.folder.parent)


@contextlib.contextmanager
def rehearsal(pg: Postgres, database: str, role: str, job: Job) -> Iterator[Rehearsal]:
    """A Pod that is gone at the end."""
    # The server's own output goes beside the Pod's volume.
    folder = processes.new_folder("rehearsal") / "scratch"
    folder.mkdir()
    folder.chmod(0o777)
    job.url = pg.url(database, role, PASSWORD)
    job.clients = tuple({*job.clients, pg.major})
    one = Rehearsal(job, database, role, pg.major, folder)
    try:
        yield one
    finally:
        one.close()
        assert not any(_uses(folder))


def _uses(folder: Path) -> Iterator[str]:
    """Processes that were left behind."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes().decode(errors="replace")
                if str(folder) in command:
                    yield command
