"""pg_dump into a bucket: one pass in which the bytes are uploaded, hashed and parsed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrations.runner import pgtools
from dbmigrations.runner.children import CHUNK_BYTES, Child
from dbmigrations.runner.errors import BackupError
from dbmigrations.runner.schema import tables_locked

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.dump_check import DumpCheck
    from dbmigrations.runner.pgtools import Tools
    from dbmigrations.runner.upload import Upload

_LOCK_WAIT_MS = 30_000
_METHODS = ("zstd", "gzip", "lz4", "none")


@dataclass(frozen=True)
class Compression:
    """What is really used (``zstd:1``), and why it is not what was asked for ("" if it is)."""

    spec: str
    note: str = ""

    @property
    def compressed(self) -> bool:
        """False for plain dumps."""
        return self.spec != "none"

    def argument(self, tools: Tools) -> str:
        """pg_dump's option; before 16 it knows a gzip level only."""
        method, _, level = self.spec.partition(":")
        if tools.major >= 16:
            return f"--compress={self.spec}"
        return "--compress=0" if method == "none" else f"--compress={level or 6}"


def choose_compression(asked: str, tools: Tools) -> Compression:
    """The compression asked for, or gzip:1 where this pg_dump does not have it. Raises BackupError (InvalidConfig)."""
    method, _, level = asked.partition(":")
    if method not in _METHODS or (level and not level.isdigit()):
        raise BackupError(
            "InvalidConfig",
            f"backup.compression {asked!r} is not known.",
            "Use zstd, gzip, lz4 (with :level) or none in spec.backup.compression.",
        )
    if method in ("gzip", "none") or pgtools.supports(tools, asked):
        return Compression(asked)
    return Compression("gzip:1", f"pg_dump {tools.major} of the runner image has no {method}, so gzip:1 was used")


class Dump:
    """A running pg_dump."""

    def __init__(self, target: Target, tools: Tools, compression: Compression, snapshot_id: str) -> None:
        command = [
            tools.pg_dump,
            "--format=custom",
            compression.argument(tools),
            f"--lock-wait-timeout={_LOCK_WAIT_MS}",
            f"--snapshot={snapshot_id}",
            *pgtools.connection_arguments(target),
        ]
        self._child = Child(command, pgtools.connection_environment(target, "dump", os.environ))

    def copy(self, upload: Upload, check: DumpCheck, started: Callable[[], None]) -> None:
        """Move everything into the upload and the check; ``started`` is called at the first byte.

        Raises BackupError (DumpFailed) unless pg_dump ended well and had nothing to complain about.
        """
        stream = self._child.process.stdout
        assert stream is not None
        first = True
        while True:
            space = upload.space()[:CHUNK_BYTES]
            count = stream.readinto(space)  # type: ignore[attr-defined]
            if not count:
                break
            if first:
                first = False
                started()
            check.feed(space[:count])
            upload.advance(count)
        code, stderr = self._child.wait()
        said = pgtools.complaints(stderr)
        if code != 0 or said:
            raise dump_failed(code, said)

    def close(self) -> None:
        """End pg_dump if it still runs; its session ends with it."""
        self._child.kill()


def dump_failed(code: int, said: str) -> BackupError:
    """The failure of a pg_dump, by what it said."""
    text = said or "it said nothing"
    if code < 0:
        return BackupError(
            "DumpFailed",
            f"pg_dump was ended by signal {-code}: {text}.",
            "Signal 9 without a word is usually the memory limit of the Job." if code == -9 else "",
        )
    if tables_locked(said):
        hint = "Somebody holds an exclusive lock: look for long transactions."
        return BackupError("DatabaseBusy", f"pg_dump could not lock the tables: {text}.", hint, transient=True)
    if "row-level security" in said:
        return BackupError(
            "RowSecurity", f"pg_dump refused a partial dump: {text}.", "Use the tables' owner, or BYPASSRLS."
        )
    if "permission denied" in said:
        return BackupError("CannotDump", f"pg_dump may not read everything: {text}.", "GRANT SELECT on what is named.")
    away = any(
        sign in said for sign in ("server closed the connection", "connection to server", "terminating connection")
    )
    return BackupError(
        "DumpFailed", f"pg_dump failed (exit code {code}): {text}.", "The application was not migrated.", transient=away
    )
