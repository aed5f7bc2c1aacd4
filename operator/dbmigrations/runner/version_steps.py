"""Statements that change the version table: each ends what one revision did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.runner.sql_text import Statement

_NAME = r'(?:"(?:[^"]|"")+"|[^\W\d][\w$]*)'
_VERSION_STATEMENT = re.compile(
    rf"(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+(?:ONLY\s+)?(?P<table>{_NAME}(?:\s*\.\s*{_NAME})*)", re.IGNORECASE
)
_VERSION = {
    "INSERT": re.compile(r"VALUES\s*\(\s*'((?:[^']|'')*)'", re.IGNORECASE),
    "UPDATE": re.compile(r"SET\s+\"?version_num\"?\s*=\s*'((?:[^']|'')*)'", re.IGNORECASE),
    "DELETE": re.compile(r"version_num\"?\s*=\s*'((?:[^']|'')*)'", re.IGNORECASE),
}


@dataclass(frozen=True)
class VersionStep:
    """INSERT, UPDATE or DELETE of the version table; ``revision`` is "" where it is a parameter."""

    verb: str
    revision: str


def find(statement: Statement, table: str) -> VersionStep | None:
    """How the statement changes the version table, whose name is ``table``; None if it does not."""
    first = statement.words[0] if statement.words else ""
    if first not in _VERSION:
        return None
    # Comments before it, as tracing libraries write them, are skipped.
    found = _VERSION_STATEMENT.search(statement.text)
    if found is None or _last_name(found.group("table")) != table:
        return None
    said = _VERSION[first].search(statement.text)
    return VersionStep(first, said.group(1).replace("''", "'") if said else "")


def _last_name(qualified: str) -> str:
    name = str(re.findall(_NAME, qualified)[-1])
    return name[1:-1].replace('""', '"') if name.startswith('"') else name.lower()


def names(text: str, table: str) -> bool:
    """Whether a text names the table, in whatever way."""
    return table.lower() in text.lower()
