"""A decision, and the draft by which guards write one: what the status becomes, one effect, when to look again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dbmigrations.api.clock import from_text, seconds_between, to_micro, to_text
from dbmigrations.api.conditions import FALSE, READY, RECONCILING, TRUE, Condition

if TYPE_CHECKING:
    from dbmigrations.api.run import Run, Step
    from dbmigrations.api.status import Status
    from dbmigrations.machine.effects import Effect
    from dbmigrations.machine.observed import Observed

LOOK_AGAIN = 15.0
"""Seconds after which a waiting run is looked at even if no event came: a watch can die silently."""

PHASES = {
    "Inspect": ("Inspecting", "reads the database's version, size and privileges, and tries the bucket"),
    "Rehearse": ("Rehearsing", "carries the migration out on a scratch copy of the schema"),
    "Compare": ("Comparing", "reads the database again: the rehearsal must not have touched it"),
    "Check": ("Checking", "asks the API server whether it would take every later Pod"),
    "Quiesce": ("Stopping", "waits until no Pod of the application is left"),
    "Backup": ("BackingUp", "dumps the database to the bucket and verifies the dump"),
    "Migrate": ("Migrating", "runs the migration's command"),
    "Recheck": ("Rechecking", "reads from the database what an unclear migration left"),
    "Resume": ("Starting", "waits until the application is ready"),
    "Probe": ("Probing", "waits until the application answers as expected"),
    "ResumeRest": ("Starting", "waits until the other workloads are ready"),
    "PutBack": ("PuttingBack", "brings the application back as it was"),
}


PLANNED = {"Quiesce", "Backup", "Migrate", "Resume"}
ANNOUNCED = PLANNED | {"Recheck", "PutBack"}
"""Steps whose beginning is an event: those that disturb somebody, or that nobody planned."""


@dataclass(frozen=True)
class Note:
    """An event for people that no condition carries."""

    type: str
    reason: str
    message: str


@dataclass(frozen=True)
class Decision:
    """The status to write first, then the effect, then when to look again (None: only when something changes)."""

    status: Status
    effect: Effect | None = None
    requeue: float | None = None
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True)
class Draft:
    """A status in the making. Methods return a new draft; `do` and `wait` end it."""

    o: Observed
    status: Status
    notes: tuple[Note, ...] = ()

    def run(self, **changes: Any) -> Draft:
        """Change fields of the run."""
        return replace(self, status=replace(self.status, run=replace(self._run, **changes)))

    def set(self, kind: str, status: str, reason: str, message: str) -> Draft:
        """Set one condition."""
        now, generation = to_text(self.o.now), self._run.generation
        conditions = self.status.conditions.set([Condition(kind, status, reason, message)], now, generation)
        return replace(self, status=replace(self.status, conditions=conditions))

    def note(self, kind: str, reason: str, message: str) -> Draft:
        """Add an event (Normal or Warning)."""
        return replace(self, notes=(*self.notes, Note(kind, reason, message)))

    def goto(self, step: Step, why: str = "") -> Draft:
        """Leave the current step for another; its seconds are kept."""
        run, now = self._run, self.o.now
        spent = dict(run.seconds)
        if run.step_started_at:
            spent[run.step] = round(spent.get(run.step, 0) + seconds_between(run.step_started_at, now), 3)
        phase, doing = PHASES[step]
        words = why or f"the operator {doing}"
        draft = self.run(step=step, step_started_at=to_micro(now), seconds=spent, progress="").doing(phase, words)
        if step in ANNOUNCED:
            return draft.note("Normal" if step in PLANNED else "Warning", phase, words)
        return draft

    def doing(self, phase: str, message: str) -> Draft:
        """Say what goes on, in Ready and Reconciling alike."""
        draft = self.set(READY, FALSE, phase, message).set(RECONCILING, TRUE, phase, message)
        return replace(draft, status=replace(draft.status, phase=phase))

    def do(self, effect: Effect) -> Decision:
        """End with an effect; the next look follows at once."""
        return Decision(self.status, effect, 0.0, self.notes)

    def wait(self, seconds: float = LOOK_AGAIN) -> Decision:
        """End without one; look again when something changes, at the latest after these seconds."""
        return Decision(self.status, None, seconds, self.notes)

    @property
    def _run(self) -> Run:
        if self.status.run is None:
            raise ValueError("no run")
        return self.status.run


def draft(o: Observed) -> Draft:
    """Begin with the status as it is."""
    return Draft(o, o.status)


def step_deadline_passed(o: Observed, seconds: float) -> bool:
    """Tell whether the current step has lasted that long."""
    return o.now >= from_text(o.run.step_started_at) + timedelta(seconds=seconds)


def later(o: Observed, seconds: float) -> str:
    """Return the moment that many seconds from now, as written in the status."""
    return to_micro(o.now + timedelta(seconds=seconds))
