"""The scratch server's log (jsonlog): what the application's sessions did, line by line.

Such a log can be hundreds of megabytes long and have lines of many megabytes: it is read as a stream, and of a very
long line only the beginning.
"""

from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from dbmigrations.runner import ddl_events
from dbmigrations.runner.errors import RehearsalError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dbmigrations.runner.ddl_events import Ddl

END_MARK = "dbmigrations-end "
LINE_BYTES = 4 * 1024 * 1024
_WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.02
# "statement: …" of the simple protocol, "execute name: …" or "execute name/portal: …" of the extended one.
_STATEMENT = re.compile(r"(?:statement|execute (?:fetch from )?(?:<unnamed>|[^\s:]*)): ")
_DURATION = re.compile(r"duration: ([0-9.]+) ms$")


@dataclass(frozen=True)
class Connected:
    """The application logged in."""

    session: str


@dataclass(frozen=True)
class Disconnected:
    """A session ended; what it had not committed is gone."""

    session: str


@dataclass(frozen=True)
class Started:
    """A statement begins. ``again``: more rows of one that was begun before; ``cut``: only its beginning is known."""

    session: str
    text: str
    xid: int
    again: bool = False
    cut: bool = False


@dataclass(frozen=True)
class Done:
    """The statement that was begun last has ended well."""

    session: str
    milliseconds: float
    xid: int


@dataclass(frozen=True)
class Failed:
    """An error that reached the application. ``fatal``: the session ended with it."""

    session: str
    sqlstate: str
    message: str
    statement: str
    fatal: bool


@dataclass(frozen=True)
class DdlDone:
    """A command of DDL was carried out within the statement that was begun last."""

    session: str
    ddl: Ddl
    xid: int


Event = Connected | Disconnected | Started | Done | Failed | DdlDone


def events(path: Path, mark: str) -> Iterator[Event]:
    """What the application's sessions did, up to the line with our own mark. Raises RehearsalError."""
    deadline = time.monotonic() + _WAIT_SECONDS
    with path.open("rb") as log:
        while True:
            line, cut = _line(log)
            if not line:
                # The server's log writer is a process of its own, and may be a little behind.
                if time.monotonic() > deadline:
                    raise RehearsalError(
                        "ReportIncomplete",
                        "The scratch server's log does not come to its end, so the plan would not be whole.",
                        "Rehearse again (spec.retryToken); look at the log of the container scratch.",
                        transient=True,
                    )
                time.sleep(_POLL_SECONDS)
                continue
            deadline = time.monotonic() + _WAIT_SECONDS
            raw = _decode(line, cut=cut)
            if str(raw.get("message", "")) == END_MARK + mark:
                return
            # The application comes by TCP, we by the socket.
            if raw.get("remote_host", "[local]") != "[local]":
                yield from _event(raw, cut=cut)


def _line(log: IO[bytes]) -> tuple[bytes, bool]:
    """The next whole line, or its first LINE_BYTES and true; b"" if there is none yet."""
    start = log.tell()
    line = log.readline(LINE_BYTES)
    if line.endswith(b"\n"):
        return line, False
    if len(line) < LINE_BYTES:
        log.seek(start)
        return b"", False
    while (rest := log.readline(LINE_BYTES)) and not rest.endswith(b"\n"):
        continue
    return line, True


def _decode(line: bytes, *, cut: bool) -> dict[str, Any]:
    text = line.decode("utf-8", "surrogateescape")
    if cut:
        # The message comes last of what we need, so that the line was cut inside of it.
        text = re.sub(r"\\(?:u[0-9a-fA-F]{0,3})?\Z", "", text) + '"}'
    try:
        raw = json.loads(text, strict=False)
    except ValueError:
        return {}
    return raw if isinstance(raw, dict) else {}


def _event(raw: dict[str, Any], *, cut: bool) -> Iterator[Event]:
    session, severity = str(raw.get("session_id", "")), raw.get("error_severity")
    message, xid = str(raw.get("message", "")), int(raw.get("txid", 0) or 0)
    if severity in ("ERROR", "FATAL", "PANIC"):
        yield Failed(
            session, str(raw.get("state_code", "")), message, str(raw.get("statement", "")), severity != "ERROR"
        )
    if severity != "LOG":
        return
    if found := _DURATION.match(message):
        yield Done(session, float(found.group(1)), xid)
    elif found := _STATEMENT.match(message):
        yield Started(session, message[found.end() :], xid, "fetch from" in found.group(), cut)
    elif message.startswith("connection authorized: "):
        yield Connected(session)
    elif message.startswith("disconnection: "):
        yield Disconnected(session)
    elif (ddl := ddl_events.parse(message)) is not None:
        yield DdlDone(session, ddl, xid)
