"""A row of the table of refusals, and short ways to write many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.api.manifests import GONE, Patch

Row = tuple[Patch, str, str]
"""A change of the valid manifest, the field (below spec) that the refusal names, and its words."""
Builder = Callable[[Any], Patch]

REQUIRED = "Required value"
KINDS = 'supported values: "Deployment", "StatefulSet"'


def at(path: str, *cases: tuple[Any, str]) -> Iterator[Row]:
    """Rows for one field: values with the words of their refusal."""
    for value, words in cases:
        yield {path: value}, path, words


def within(path: str, *cases: tuple[Any, str, str]) -> Iterator[Row]:
    """Rows for a field that holds others: values, the place below the field, the words."""
    for value, below, words in cases:
        yield {path: value}, f"{path}{below}", words


def too_long(limit: int) -> tuple[str, str]:
    """A text that is one character too long."""
    return "a" * (limit + 1), f"Too long: may not be more than {limit} bytes"


def too_many(limit: int) -> str:
    """The words for one item, or one member, too many."""
    return f"Too many: {limit + 1}: must have at most {limit} items"


def numbered(count: int, **more: Any) -> list[Any]:
    """Items that differ in their name only."""
    return [{**more, "name": f"n{number}"} for number in range(count)]


def members(count: int) -> dict[str, str]:
    """A map with that many members."""
    return {f"n{number}": "1" for number in range(count)}


def optional(**members: Any) -> dict[str, Any]:
    """A map without the members that are GONE."""
    return {name: value for name, value in members.items() if value is not GONE}
