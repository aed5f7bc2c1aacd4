"""PostgreSQL's client programs: which ones, with which environment.

The container has the application's environment, so nothing is looked up on its PATH, and the programs see only what
concerns the connection. Passwords go through the environment, never the command line.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrations.runner.connection import Target

# Tests name other folders here, separated by colons.
FOLDERS_VARIABLE = "DBM_PG_BIN"
_INSTALLED = Path("/usr/lib/postgresql")
# Settings of the application's sessions that would change what a dump looks like.
_HARMFUL = ("PGCLIENTENCODING", "PGAPPNAME", "PGDATESTYLE", "PGTZ", "PGGEQO")
# The remark on a collation library that was upgraded comes with every connection and does not concern the dump.
_HARMLESS_STDERR = re.compile(
    r"^WARNING: +database .* has (a collation version mismatch|no actual collation version.*)$"
    r"|^DETAIL: +The database was created using collation version .*$"
    r"|^HINT: +Rebuild all objects in this database that use the default collation .*$"
)


@dataclass(frozen=True)
class Tools:
    """pg_dump and pg_restore of one major version."""

    folder: Path
    major: int

    @property
    def pg_dump(self) -> str:
        """Absolute path."""
        return str(self.folder / "pg_dump")

    @property
    def pg_restore(self) -> str:
        """Absolute path."""
        return str(self.folder / "pg_restore")


def installed() -> list[Tools]:
    """The clients in this image, oldest first."""
    configured = os.environ.get(FOLDERS_VARIABLE, "")
    folders = [Path(part) for part in configured.split(":")] if configured else sorted(_INSTALLED.glob("*/bin"))
    found = [Tools(folder, _major(folder / "pg_dump")) for folder in folders if (folder / "pg_dump").exists()]
    if not found:
        raise DatabaseError(
            "ClientMissing", "No pg_dump is installed in the runner image.", "Use the project's own image."
        )
    return sorted(found, key=lambda tools: tools.major)


def choose(server_major: int) -> Tools:
    """The oldest client that is not older than the server: newer ones write settings that the server does not know."""
    tools = installed()
    for candidate in tools:
        if candidate.major >= server_major:
            return candidate
    raise DatabaseError(
        "ClientTooOld",
        f"The server is PostgreSQL {server_major}, the newest pg_dump of the runner image is {tools[-1].major}; "
        "pg_dump refuses servers newer than itself.",
        "Use a newer runner image (operator setting DBM_RUNNER_IMAGE).",
    )


def _major(program: Path) -> int:
    answer = subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, env=base_environment(), timeout=20, check=False
    )
    found = re.search(r"\(PostgreSQL\) (\d+)", answer.stdout)
    if found is None:
        raise DatabaseError("ClientMissing", f"pg_dump of the runner image does not run: {answer.stderr.strip()}")
    return int(found.group(1))


def base_environment() -> dict[str, str]:
    """For programs that open no connection."""
    return {"LC_ALL": "C", "PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", "/tmp")}  # noqa: S108 - the Job's own


def connection_environment(target: Target, program: str, environ: Mapping[str, str]) -> dict[str, str]:
    """For programs that connect: libpq's variables of the application, and the password that the target has."""
    environment = base_environment()
    environment.update({key: value for key, value in environ.items() if key.startswith("PG") and key not in _HARMFUL})
    environment["PGAPPNAME"] = f"dbmigrations-{program}"
    if "password" in target.params:
        environment["PGPASSWORD"] = target.params["password"]
    return environment


def connection_arguments(target: Target) -> list[str]:
    """The part of a command line that says where the database is. Never asks for a password."""
    return ["--no-password", "--dbname", target.public_conninfo()]


def complaints(stderr: str) -> str:
    """What a program wrote to stderr, less what is known to be harmless; lines are kept in order."""
    lines = [line.rstrip() for line in stderr.splitlines()]
    return "\n".join(line for line in lines if line and not _HARMLESS_STDERR.match(line))


def supports(tools: Tools, compression: str) -> bool:
    """Whether this build of pg_dump has the compression method; asked without a connection."""
    if tools.major < 16:
        return False
    answer = subprocess.run(
        [tools.pg_dump, "-Fc", f"--compress={compression}", "--dbname", "host=/nonexistent"],
        capture_output=True,
        text=True,
        env=base_environment(),
        timeout=20,
        check=False,
    )
    return "compression" not in answer.stderr
