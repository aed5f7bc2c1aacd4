"""The bytes of a dump, hashed and parsed to the end at the same time.

``pg_restore --list`` proves nothing: it accepts truncated dumps. A full parse finds every truncation, the hash every
flipped bit.
"""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrations.runner import pgtools
from dbmigrations.runner.children import Child
from dbmigrations.runner.dump_reader import DumpReader, DumpSyntaxError, column_values
from dbmigrations.runner.errors import BackupError

if TYPE_CHECKING:
    from dbmigrations.runner.dump_reader import Table
    from dbmigrations.runner.pgtools import Tools


@dataclass(frozen=True)
class Contents:
    """What a dump turned out to be: its bytes, the rows of each table, and the revisions in the version table."""

    size: int
    sha256: str
    crc32: int
    rows: dict[Table, int]
    revisions: frozenset[str]


class DumpCheck:
    """Feed it a dump, then ask for its contents."""

    def __init__(self, tools: Tools, version_table: Table | None) -> None:
        self._size = 0
        self._sha256 = hashlib.sha256()
        self._crc32 = 0
        self._version_table = version_table
        self._reader = DumpReader(frozenset([version_table] if version_table else []))
        command = [tools.pg_restore, "--data-only", "--format=custom", "--file=-"]
        self._child = Child(command, pgtools.base_environment(), feed=True)
        self._child.on_output(self._reader.feed)
        self._refused = False

    def feed(self, data: memoryview) -> None:
        """Take the next bytes; waits while pg_restore is busy."""
        self._size += len(data)
        self._sha256.update(data)
        self._crc32 = zlib.crc32(data, self._crc32)
        stream = self._child.process.stdin
        assert stream is not None
        try:
            while data and not self._refused:
                data = data[stream.write(data) :]
        except BrokenPipeError:
            # It has ended before the dump has: why, its return code tells at the end.
            self._refused = True

    def finish(self) -> Contents:
        """Wait for the parse to end. Raises BackupError (VerificationFailed)."""
        stream = self._child.process.stdin
        assert stream is not None
        try:
            stream.close()
        except BrokenPipeError:
            self._refused = True
        code, stderr = self._child.wait()
        said = pgtools.complaints(stderr)
        if code != 0 or said:
            raise verification_failed(f"pg_restore cannot read it (exit code {code}): {said or 'it said nothing'}")
        if self._refused:
            raise verification_failed("it goes on after its end")
        try:
            if self._child.trouble is not None:
                raise self._child.trouble
            self._reader.close()
        except DumpSyntaxError as error:
            raise verification_failed(str(error)) from None
        return Contents(self._size, self._sha256.hexdigest(), self._crc32, dict(self._reader.rows), self._revisions())

    def _revisions(self) -> frozenset[str]:
        kept = self._reader.kept.get(self._version_table) if self._version_table else None
        return column_values(kept, b"version_num") if kept else frozenset()

    def close(self) -> None:
        """End pg_restore if it still runs."""
        self._child.kill()


def verification_failed(problem: str) -> BackupError:
    """The dump is not what it should be."""
    return BackupError(
        "VerificationFailed",
        f"The dump is not usable: {problem}.",
        "No backup was recorded and the migration was not started. A new attempt makes a new dump.",
    )
