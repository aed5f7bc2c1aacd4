"""A database's version is a set of revisions; here are its comparison and its form for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.api.spec import Spec


def at_target(spec: Spec, revisions: tuple[str, ...]) -> bool:
    """Tell whether the rows contain a target that names a revision; a symbolic one (heads) cannot be told here."""
    return spec.named_target and spec.target.rpartition("@")[2] in revisions


def for_people(revisions: tuple[str, ...]) -> str:
    """Return `0005`, `a1b2 +1`, or `(empty)`: short enough for a column."""
    if not revisions:
        return "(empty)"
    first, *rest = sorted(revisions)
    return first if not rest else f"{first} +{len(rest)}"


def in_full(revisions: tuple[str, ...]) -> str:
    """Return every revision, for messages."""
    return ", ".join(sorted(revisions)) if revisions else "no version at all"
