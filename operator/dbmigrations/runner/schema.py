"""The schema as a hash: what ``pg_dump --schema-only`` prints, less what differs between two calls."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from typing import TYPE_CHECKING

from dbmigrations.runner import pgtools
from dbmigrations.runner.children import CHUNK_BYTES, Child
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.pgtools import Tools

LOCK_WAIT_MS = 10_000
_HASH_CHARACTERS = 32


def schema_hash(target: Target, tools: Tools, program: str, timeout_seconds: float) -> str:
    """SHA-256 (shortened, hex) of the schema. Raises DatabaseError (CannotDump) with what pg_dump said."""
    child = Child(
        [tools.pg_dump, "--schema-only", f"--lock-wait-timeout={LOCK_WAIT_MS}", *pgtools.connection_arguments(target)],
        pgtools.connection_environment(target, program, os.environ),
    )
    timer = threading.Timer(timeout_seconds, child.process.kill)
    timer.daemon = True
    timer.start()
    try:
        assert child.process.stdout is not None
        # The pipe is unbuffered: lines need a buffer.
        with io.BufferedReader(child.process.stdout, CHUNK_BYTES) as lines:  # type: ignore[type-var]
            digest = hash_of(lines)
        code, stderr = child.wait()
    finally:
        timer.cancel()
        child.kill()
    said = pgtools.complaints(stderr)
    if code != 0 or said:
        raise cannot_dump(code, said)
    return digest


def hash_of(lines: Iterable[bytes]) -> str:
    """Hash of a plain schema dump."""
    digest = hashlib.sha256()
    for line in what_counts(lines):
        digest.update(line)
    return digest.hexdigest()[:_HASH_CHARACTERS]


def what_counts(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of a plain schema dump that say something about the schema.

    Only the head (versions of server and client, a random ``\\restrict`` key, session settings) and the tail vary; what
    stands between is kept to the letter, comments too, since a function's body may hold lines that look like any of it.
    """
    inside = False
    for line in lines:
        inside = inside or line.startswith(b"-- Name: ")
        if inside and not line.startswith((b"\\unrestrict ", b"-- PostgreSQL database dump complete")):
            yield line


def tables_locked(said: str) -> bool:
    """Whether pg_dump gave up waiting for a lock: it bounds that wait by a statement timeout."""
    return "LOCK TABLE" in said and "timeout" in said


def cannot_dump(code: int, said: str) -> DatabaseError:
    """The failure of a pg_dump that reads only the catalogue."""
    if tables_locked(said):
        return DatabaseError(
            "DatabaseBusy",
            f"pg_dump could not lock the tables for reading within {LOCK_WAIT_MS // 1000} s: {said}",
            "Somebody holds an exclusive lock: look for long transactions.",
            transient=True,
        )
    if code < 0:
        return DatabaseError(
            "CannotDump", f"pg_dump was ended by signal {-code}: {said or 'it said nothing'}", transient=True
        )
    return DatabaseError(
        "CannotDump",
        f"pg_dump cannot dump this database cleanly (exit code {code}): {said}",
        "Grant the application's role what the message names, or let another role own it.",
    )
