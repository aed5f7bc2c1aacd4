"""The plan's files, printed line by line so that the operator can read them from the container's log."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import pgtools
from dbmigrations.runner.children import Child
from dbmigrations.runner.errors import RehearsalError
from dbmigrations.runner.plan_text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN_BYTES = 4 * 1000 * 1000
"""Of all files together; in JSON they stay below the 10 MiB after which the kubelet begins a new log file."""
DIFFERENCE_BYTES = 1000 * 1000
LINE_BYTES = 8192
"""Container runtimes cut longer lines."""
_LINE_CHARACTERS = 6000
# How long something took is shown, and does not make it another plan.
_TIMES = re.compile(r"^(-- .*), \d+ ms$", re.MULTILINE)


def print_files(files: dict[str, str]) -> dict[str, Any]:
    """Print the files in order; returns how many lines of text they have, and a SHA-256 of what they say.

    That hash leaves times out, so that the same migration has the same plan; the hash of each file is with its name at
    the end of the output.
    """
    digest, listed = hashlib.sha256(), []
    for name, text in files.items():
        digest.update(_TIMES.sub(r"\1", text).encode())
        number = 0
        for number, line in enumerate(_lines(name, text), 1):  # noqa: B007 - the last one counts
            sys.stdout.write(line + "\n")
        listed.append({"name": name, "parts": number, "sha256": hashlib.sha256(text.encode()).hexdigest()})
    sys.stdout.write(_json({"dbm": "plan-end", "files": listed}) + "\n")
    sys.stdout.flush()
    return {"lines": sum(text.count("\n") for text in files.values()), "sha256": digest.hexdigest()}


def _lines(name: str, text: str) -> Iterator[str]:
    """At least one, so that an empty file is there as well."""
    pieces = [text[at : at + _LINE_CHARACTERS] for at in range(0, len(text), _LINE_CHARACTERS)] or [""]
    pieces.reverse()
    part = 0
    while pieces:
        piece = pieces.pop()
        line = _json({"dbm": "plan", "file": name, "part": part, "text": piece})
        if len(line.encode()) >= LINE_BYTES:
            # Characters of several bytes, or that JSON escapes.
            half = len(piece) // 2
            pieces += [piece[half:], piece[:half]]
            continue
        yield line
        part += 1


def _json(frame: dict[str, Any]) -> str:
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def difference(before: Path, after: Path) -> tuple[str, bool]:
    """The schema's change as a unified diff ("" where there is none), and whether it was cut. Raises RehearsalError."""
    command = ["/usr/bin/diff", "--text", "-U", "3", "--label", "before.sql", "--label", "after.sql"]
    child = Child([*command, str(before), str(after)], pgtools.base_environment())
    kept, more = bytearray(), 0

    def take(data: bytes) -> None:
        nonlocal more
        room = DIFFERENCE_BYTES - len(kept)
        kept.extend(data[:room])
        more += len(data[room:])

    child.on_output(take)
    code, stderr = child.wait()
    child.kill()
    if code not in (0, 1):
        said = " ".join(stderr.split())
        raise RehearsalError("ReportIncomplete", f"The schemas could not be compared: {said}", "This is a bug.")
    text = clean(bytes(kept).decode("utf-8", "surrogateescape"))
    return (f"{text}\n… and {more} bytes more were left out\n", True) if more else (text, False)
