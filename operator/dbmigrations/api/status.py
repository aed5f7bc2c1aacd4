"""The status of a DatabaseMigration: conditions, the current run, what succeeded last, and a short history."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from dbmigrations.api.conditions import Conditions, parse_conditions
from dbmigrations.api.run import Run
from dbmigrations.api.wire import from_wire, to_wire

Json = dict[str, Any]

HISTORY = 10
"""How many ended runs are kept."""


@dataclass(frozen=True)
class Status:
    """What the operator says of a resource; written as a whole, guarded by the resourceVersion."""

    observed_generation: int = -1
    phase: str = ""
    conditions: Conditions = field(default_factory=Conditions)
    run: Run | None = None
    last_success: Json | None = None
    history: tuple[Json, ...] = ()

    @property
    def empty(self) -> bool:
        """True before the operator wrote anything."""
        return self.observed_generation == -1 and not self.conditions.items

    def to_dict(self) -> Json:
        """Return it as the API server stores it."""
        found: Json = {
            "observedGeneration": self.observed_generation,
            "phase": self.phase,
            "conditions": self.conditions.to_list(),
        }
        if self.run:
            found["run"] = to_wire(self.run)
        if self.last_success:
            found["lastSuccess"] = self.last_success
        if self.history:
            found["history"] = list(self.history)
        return found


def parse_status(raw: Json) -> Status:
    """Read a status. Raises TypeError or ValueError for one that no version of the operator wrote."""
    run = raw.get("run")
    return Status(
        observed_generation=raw.get("observedGeneration", -1),
        phase=raw.get("phase", ""),
        conditions=parse_conditions(raw.get("conditions", [])),
        run=from_wire(Run, run) if run else None,
        last_success=raw.get("lastSuccess"),
        history=tuple(raw.get("history", ())),
    )
