"""The result of a program: one JSON object of at most 2048 bytes, since a termination message holds no more.

Texts and lists are shortened until it fits; a list that was cut has a neighbour ``<name>More`` with the number of
items that are missing, so that nothing is taken for complete that is not.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.redact import printable_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrations.runner.errors import RunnerError
    from dbmigrations.runner.redact import Redactor

LIMIT_BYTES = 2048
PATH_VARIABLE = "DBM_RESULT_PATH"
_PATH = "/dev/termination-log"
MESSAGE_CHARACTERS = 400
HINT_CHARACTERS = 300
# What is cut last: a set of revisions that is not whole cannot be compared.
_PRECIOUS = "revisions"


def success(facts: dict[str, Any]) -> bytes:
    """The message of a program that did what it should."""
    return _encode({"v": 1, "ok": True, "facts": printable_value(facts)})


def failure(error: RunnerError, redactor: Redactor) -> bytes:
    """The message of a program that failed for a known reason."""
    return _encode(
        {
            "v": 1,
            "ok": False,
            "reason": error.reason,
            "message": _shorten(redactor.value(error.message), MESSAGE_CHARACTERS),
            "hint": _shorten(redactor.value(error.hint), HINT_CHARACTERS),
            "transient": error.transient,
            "facts": printable_value(error.facts),
        }
    )


def deliver(message: bytes) -> None:
    """Leave a message where the kubelet takes it from when the container ends. Raises OSError."""
    Path(os.environ.get(PATH_VARIABLE, _PATH)).write_bytes(message)


def _shorten(text: str, characters: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _encode(result: dict[str, Any]) -> bytes:
    while True:
        encoded = json.dumps(result, ensure_ascii=False, separators=(",", ":")).encode()
        if len(encoded) <= LIMIT_BYTES:
            return encoded
        if not _shrink(result):
            # Only texts without a list are left: facts lose against the reason.
            result["facts"] = {"factsMore": len(result["facts"])}


def _shrink(result: dict[str, Any]) -> bool:
    """Cut the longest list by half, else halve the longest texts of reason; False when there is nothing to cut."""
    lists = sorted(_lists(result["facts"]), key=lambda found: (found[1] == _PRECIOUS, -_size(found[0][found[1]])))
    if lists:
        parent, key = lists[0]
        items = parent[key]
        kept = len(items) // 2
        parent[f"{key}More"] = parent.get(f"{key}More", 0) + len(items) - kept
        parent[key] = items[:kept]
        return True
    for key in ("message", "hint"):
        text = result.get(key, "")
        if len(text.encode()) > len(text) and len(text) > 80:
            result[key] = _shorten(text, len(text) // 2)
            return True
    return False


def _lists(value: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    for key, item in value.items():
        if isinstance(item, list) and item:
            yield value, key
        elif isinstance(item, dict):
            yield from _lists(item)


def _size(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode())
