"""Was anything committed? `Unchanged` is a strong word: version rows alone do not say it (design 4)."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint


class Verdict(enum.Enum):
    """What became of the database."""

    UNCHANGED = "unchanged"
    CHANGED = "changed"
    UNKNOWN = "unknown"


def compare(before: Fingerprint | None, after: Fingerprint | None) -> tuple[Verdict, str]:
    """Return the verdict and what differs, in words. Missing facts are Unknown, never Unchanged."""
    if before is None or after is None or not (before.schema and after.schema):
        return Verdict.UNKNOWN, "the state before or after the migration could not be read"
    differences = [
        (before.revisions != after.revisions, "the version rows"),
        (before.schema != after.schema, "the schema"),
        (before.invalid != after.invalid or before.invalid_indexes != after.invalid_indexes, "invalid indexes"),
        (before.files != after.files, "the files of tables (TRUNCATE or rewrite)"),
    ]
    found = [words for differs, words in differences if differs]
    if found:
        return Verdict.CHANGED, " and ".join(found)
    if before.resets != after.resets:
        return Verdict.UNKNOWN, "change counters were reset meanwhile (ANALYZE, autovacuum or a restart of the server)"
    if before.changes != after.changes:
        return Verdict.CHANGED, "rows of tables (committed changes were counted)"
    return Verdict.UNCHANGED, "version rows, schema, indexes, files and change counters are what they were"
