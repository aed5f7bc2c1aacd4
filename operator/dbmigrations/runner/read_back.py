"""Reads a stored dump again, by its version, piece by piece so that each piece can be asked for again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.runner.errors import StoreError
from dbmigrations.runner.parts import MIB
from dbmigrations.runner.store import attempt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrations.runner.store import Bucket
    from dbmigrations.runner.upload import Stored

_PIECE_BYTES = 16 * MIB
_ATTEMPTS = 3


def pieces(bucket: Bucket, stored: Stored) -> Iterator[bytes]:
    """The object's bytes in order. Raises StoreError."""
    position = 0
    while position < stored.size:
        piece = _piece(bucket, stored, position, min(position + _PIECE_BYTES, stored.size))
        position += len(piece)
        yield piece


def _piece(bucket: Bucket, stored: Stored, start: int, end: int) -> bytes:
    """Bytes from ``start`` up to, not including, ``end``."""
    named = {"VersionId": stored.version} if stored.version else {}
    for remaining in reversed(range(_ATTEMPTS)):
        try:
            answer = bucket.call(
                "reading the dump back", "get_object", Key=stored.key, Range=f"bytes={start}-{end - 1}", **named
            )
            data: bytes = attempt("reading the dump back", answer["Body"].read)
        except StoreError as error:
            if not (error.transient and remaining):
                raise
        else:
            if len(data) == end - start:
                return data
            break
    raise StoreError("StoreFailed", f"The store returned {len(data)} bytes where {end - start} were asked for.")
