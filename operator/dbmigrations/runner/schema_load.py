"""The schema of a database, carried into another one by pg_dump and pg_restore."""

from __future__ import annotations

import os
import re
import threading
from typing import TYPE_CHECKING

from dbmigrations.runner import pgtools, scratch
from dbmigrations.runner.children import Child
from dbmigrations.runner.errors import RehearsalError
from dbmigrations.runner.schema import LOCK_WAIT_MS, cannot_dump

if TYPE_CHECKING:
    from pathlib import Path

    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.pgtools import Tools

# Publications and subscriptions reach other servers; tablespaces and label providers are the real server's own.
LEFT_OUT = ("--no-publications", "--no-subscriptions", "--no-tablespaces", "--no-security-labels")
_UNKNOWN_SETTING = re.compile(r"unrecognized configuration parameter")
_SKIP_HINT = "Set spec.rehearsal.image to an image in which the schema can be loaded, or spec.rehearsal.mode: Skip."


def dump(target: Target, tools: Tools, environment: dict[str, str], path: Path, timeout_seconds: float) -> None:
    """Write a schema-only dump with owners and grants. Raises DatabaseError (CannotDump)."""
    command = [tools.pg_dump, "--format=custom", "--schema-only", f"--lock-wait-timeout={LOCK_WAIT_MS}"]
    command += [*LEFT_OUT, "--file", str(path), *pgtools.connection_arguments(target)]
    code, stderr = _run(command, environment, timeout_seconds)
    said = pgtools.complaints(stderr)
    if code != 0 or said:
        raise cannot_dump(code, said)


def dump_reality(target: Target, tools: Tools, path: Path, timeout_seconds: float) -> None:
    """The same of the application's database."""
    dump(target, tools, pgtools.connection_environment(target, "load", os.environ), path, timeout_seconds)


def restore(path: Path, target: Target, tools: Tools, server_major: int, timeout_seconds: float) -> list[str]:
    """Load a dump into an empty database of the scratch server; returns what was left out. Raises RehearsalError."""
    kept, warnings = _contents(path, tools)
    listing = path.with_suffix(".list")
    listing.write_bytes(kept)
    command = [tools.pg_restore, "--use-list", str(listing), *pgtools.connection_arguments(target)]
    newer = tools.major > server_major
    # A newer pg_restore sets what an older server does not know; then it has to go on, and what it said is looked at.
    command += [str(path)] if newer else ["--exit-on-error", str(path)]
    code, stderr = _run(command, scratch.environment("load"), timeout_seconds)
    problem = first_error(stderr)
    if problem or (code != 0 and not (newer and code == 1)):
        raise load_failed(problem or pgtools.complaints(stderr) or f"exit code {code}")
    return warnings


def _contents(path: Path, tools: Tools) -> tuple[bytes, list[str]]:
    """The dump's table of contents without user mappings: they hold passwords, and lead to servers that are real."""
    child = Child([tools.pg_restore, "--list", str(path)], pgtools.base_environment())
    lines: list[bytes] = []
    child.on_output(lines.append)
    code, stderr = child.wait()
    child.kill()
    if code != 0:
        raise load_failed(pgtools.complaints(stderr))
    listed = b"".join(lines).splitlines(keepends=True)
    kept = [line for line in listed if not re.match(rb"\d+; \d+ \d+ USER MAPPING ", line)]
    left = len(listed) - len(kept)
    return b"".join(kept), [f"{left} user mapping(s) of foreign servers were left out"] if left else []


def first_error(stderr: str) -> str:
    """What the server said to the first statement that failed for a reason that matters, in one line."""
    for block in re.split(r"^pg_restore: ", stderr, flags=re.MULTILINE):
        if block.startswith("error: ") and not _UNKNOWN_SETTING.search(block.splitlines()[0]):
            return " ".join(block.removeprefix("error: ").split())
    return ""


def load_failed(problem: str) -> RehearsalError:
    """The schema could not be loaded."""
    missing = re.search(r'extension "([^"]+)" is not available|extension/([^/"]+)\.control"', problem)
    if missing:
        return extension_missing([missing.group(1) or missing.group(2)], 0)
    return RehearsalError(
        "RehearsalLoadFailed",
        f"The schema could not be loaded into the scratch server: {problem[:300]}",
        _SKIP_HINT,
    )


def extension_missing(names: list[str], major: int) -> RehearsalError:
    """The scratch server's image lacks extensions of the database."""
    shown = ", ".join(names)
    version = f"PostgreSQL {major}" if major else "the server's version of PostgreSQL"
    return RehearsalError(
        "ExtensionMissing",
        f"The image of the scratch server does not have the extension(s) {shown}, which the database uses.",
        f"Set spec.rehearsal.image to an image of {version} that has them, or spec.rehearsal.mode: Skip.",
        facts={"extensions": names},
    )


def _run(command: list[str], environment: dict[str, str], timeout_seconds: float) -> tuple[int, str]:
    child = Child(command, environment)
    timer = threading.Timer(timeout_seconds, child.process.kill)
    timer.daemon = True
    timer.start()
    try:
        return child.wait()
    finally:
        timer.cancel()
        child.kill()
