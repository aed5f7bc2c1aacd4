"""Parts of a multipart upload: how large they are, how they are sent, and what became of forgotten ones."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.errors import BackupError, StoreError
from dbmigrations.runner.probe import try_quietly

if TYPE_CHECKING:
    from dbmigrations.runner.store import Bucket

MIB = 1024 * 1024
MOST_PARTS = 10_000
SMALLEST_PART = 8 * MIB
LARGEST_PART = 5 * 1024 * MIB
# One part is filled while two are on their way.
BUFFERS = 3
SENDERS = BUFFERS - 1
# Compressed dumps are smaller than their database, with rare exceptions that this covers; plain text can be twice as
# large.
_GROWTH_COMPRESSED = 1.2
_GROWTH_PLAIN = 2.5


# Python with boto3 and psycopg, pg_dump and pg_restore together own 80 MiB (hack/bench/backup_memory.py).
_PROGRAMS_BYTES = 112 * MIB


def memory_needed(part_bytes: int) -> int:
    """Bytes of memory that a backup with parts of this size needs at most, whatever the size of the database."""
    return _PROGRAMS_BYTES + BUFFERS * part_bytes


def part_size(database_bytes: int, *, compressed: bool) -> int:
    """Bytes of each part, so that the dump of a database of this size stays below 10,000 parts.

    All parts but the last are equal, which some stores demand. Raises BackupError (PartLimit).
    """
    expected = int(database_bytes * (_GROWTH_COMPRESSED if compressed else _GROWTH_PLAIN))
    needed = -(-expected // MOST_PARTS)
    size = max(SMALLEST_PART, -(-needed // MIB) * MIB)
    if size > LARGEST_PART:
        raise BackupError(
            "PartLimit",
            f"The dump of a database of {database_bytes // 10**9} GB does not fit into one object "
            f"({MOST_PARTS} parts of 5 GiB).",
            "Remove data that need not be in it, or migrate with spec.backup.mode: Skip and a backup of your own.",
        )
    return size


class PartBody(io.RawIOBase):
    """A part's bytes as a file: botocore copies what is given as bytes."""

    def __init__(self, data: memoryview) -> None:
        self._data = data
        self._position = 0

    def __len__(self) -> int:
        return len(self._data)

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always: a repeated request starts again."""
        return True

    def tell(self) -> int:
        """Position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: len(self._data)}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Copy the next bytes."""
        data = self._data[self._position : self._position + len(buffer)]
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


def sweep(bucket: Bucket, prefix: str, own_key: str) -> int:
    """Abort the multipart uploads that earlier attempts of this resource left behind; returns how many."""
    try:
        pages = bucket.pages("listing unfinished uploads", "list_multipart_uploads", Prefix=prefix)
    except StoreError:
        # Not being allowed to list must not prevent a backup.
        return 0
    left = [upload for page in pages for upload in page.get("Uploads", []) if upload["Key"] != own_key]
    return sum(
        try_quietly(bucket, "abort_multipart_upload", Key=upload["Key"], UploadId=upload["UploadId"]) for upload in left
    )
