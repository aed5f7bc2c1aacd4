"""Events on the resource: one for each fact that became known, and the notes of decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.api.clock import to_text
from dbmigrations.api.conditions import FACTS, FALSE, READY, STALLED, TRUE, UNKNOWN
from dbmigrations.api.names import GROUP, KIND, VERSION
from dbmigrations.machine.decision import Note

if TYPE_CHECKING:
    from datetime import datetime

    from dbmigrations.api.conditions import Conditions
    from dbmigrations.manifests.resource import Resource

LIMIT = 1024
"""Characters of an event's message."""


def notes_of(old: Conditions, new: Conditions) -> list[Note]:
    """Return what became known between two statuses: facts, then how the run ended."""
    found = []
    for kind in FACTS:
        now = new.get(kind)
        if now.status == UNKNOWN or (now.status, now.reason) == (old.get(kind).status, old.get(kind).reason):
            continue
        found.append(Note("Normal" if now.status == TRUE else "Warning", f"{kind}{_tail(now.status)}", now.message))
    for kind in (READY, STALLED):
        now = new.get(kind)
        if now.status == TRUE and old.get(kind).status != TRUE:
            found.append(
                Note("Normal" if kind == READY else "Warning", now.reason if kind == STALLED else kind, now.message)
            )
    return found


def event_body(resource: Resource, note: Note, now: datetime, position: int = 0) -> dict[str, Any]:
    """Return the core/v1 Event of a note, the `position`th of one pass.

    Its name holds the moment, as client-go's does: sorted by name, events of one second are in their order.
    """
    moment = to_text(now)
    micros = int(now.timestamp() * 1_000_000) + position
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{resource.name[:200].rstrip('.-')}.{micros:016x}", "namespace": resource.namespace},
        "involvedObject": {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": KIND,
            "namespace": resource.namespace,
            "name": resource.name,
            "uid": resource.uid,
        },
        "type": note.type,
        "reason": note.reason,
        "message": note.message if len(note.message) <= LIMIT else note.message[: LIMIT - 1] + "…",
        "source": {"component": "dbmigrations"},
        "reportingComponent": "dbmigrations",
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
    }


def _tail(status: str) -> str:
    return "Failed" if status == FALSE else ""
