"""When a run starts, and with what: only for a new specification or a new retryToken, never by drift."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dbmigrations.api.clock import to_micro, to_text
from dbmigrations.api.conditions import FACTS, FALSE, READY, RECONCILING, STALLED, SUSPENDED, TRUE, UNKNOWN, Condition
from dbmigrations.api.run import Run, Step
from dbmigrations.machine.decision import PHASES, Decision, draft
from dbmigrations.manifests.source import PodSource

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed

EDITABLE = {Step.INSPECT, Step.REHEARSE, Step.COMPARE, Step.CHECK}
"""Steps in which an edit of the manifest starts the run over; later ones finish first."""


def start_run(o: Observed) -> Decision | None:
    """Start a run where there is none for this specification and this retryToken, or edit the one not yet decided.

    A dry run that succeeded is followed by a real one once dryRun is turned off.
    """
    run = o.status.run
    if run is None:
        return _start(o)
    if o.deleting_since:
        return None
    planned = run.outcome == "Planned" and not o.live.dry_run
    if run.spec_hash == o.live.hash and run.retry_token == o.live.retry_token and not planned:
        return None
    return _start(o) if not run.active or run.step in EDITABLE else None


def restart_on_new_template(o: Observed) -> Decision | None:
    """Start over when the workload that podFrom names was edited before the application is stopped."""
    source = o.pod_source
    if o.run.step is not Step.CHECK or not isinstance(source, PodSource) or source.hash == o.run.template_hash:
        return None
    return _start(o)


def follow_generation(o: Observed) -> Decision | None:
    """Acknowledge an edit that means the same, so that nobody waits for it."""
    if o.run.active or o.status.observed_generation == o.generation:
        return None
    conditions = replace(
        o.status.conditions,
        items=tuple(replace(item, generation=o.generation) for item in o.status.conditions.items),
    )
    status = replace(o.status, observed_generation=o.generation, conditions=conditions)
    return Decision(replace(status, run=replace(o.run, generation=o.generation)), None, 0.0)


def _unfinished(last: Run | None) -> bool:
    """Tell whether the application may not be well since an earlier run; a dry run in between changes nothing."""
    if last is None or last.outcome == "Succeeded":
        return False
    return last.unfinished or _failed_late(last)


def _failed_late(run: Run) -> bool:
    """Tell whether a run migrated the database, and then the application did not come back as it should."""
    return run.failure is not None and run.failure.step in {Step.RESUME, Step.PROBE, Step.RESUME_REST}


def _start(o: Observed) -> Decision:
    last = o.status.run
    number = last.number + 1 if last else 1
    held = any(seen.held for seen in o.workloads)
    source = o.pod_source
    fresh = Run(
        id=f"{number}-{o.live.hash[:8]}",
        number=number,
        spec_hash=o.live.hash,
        retry_token=o.live.retry_token,
        generation=o.generation,
        spec=o.live.raw,
        image=o.live.image,
        target=o.live.target,
        to=o.live.target,
        step_started_at=to_micro(o.now),
        started_at=to_text(o.now),
        retry_until=to_micro(o.now + timedelta(seconds=o.settings.retry_for)),
        template_hash=source.hash if isinstance(source, PodSource) else "",
        old_image=source.image if isinstance(source, PodSource) else "",
        taken_over=held,
        unfinished=_unfinished(last),
        # The first backup stays the one to go back to: later ones hold what a failed run left behind.
        first_backup=(last.first_backup or last.backup) if held and last else None,
    )
    now = to_text(o.now)
    phase, doing = PHASES[Step.INSPECT]
    words = f"run {fresh.id}: the operator {doing}"
    conditions = o.status.conditions.set(
        [
            Condition(READY, FALSE, phase, words),
            Condition(RECONCILING, TRUE, phase, words),
            Condition(STALLED, FALSE, phase, "a run is under way"),
            Condition(SUSPENDED, FALSE, phase, "a run is under way"),
            *(Condition(fact, UNKNOWN, "NotObserved", "not yet observed in this run") for fact in FACTS),
        ],
        now,
        o.generation,
    )
    status = replace(o.status, observed_generation=o.generation, phase=phase, conditions=conditions, run=fresh)
    begun = replace(draft(o), status=status)
    return begun.note("Normal", "RunStarted", f"run {fresh.id}: to {fresh.target} with image {fresh.image}").wait(0.0)
