"""How a run ends, well or badly, and what is said then: what happened, why, what now, how the application stands."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dbmigrations.api.clock import seconds_between, to_micro, to_text
from dbmigrations.api.conditions import (
    BACKUP_VERIFIED,
    FALSE,
    INSPECTED,
    MIGRATED,
    PROBED,
    QUIESCED,
    READY,
    RECONCILING,
    REHEARSED,
    RESUMED,
    STALLED,
    SUSPENDED,
    TRUE,
)
from dbmigrations.api.run import Failure, Run, Step
from dbmigrations.api.status import HISTORY
from dbmigrations.machine.decision import Draft, draft
from dbmigrations.machine.versions import in_full

if TYPE_CHECKING:
    from dbmigrations.machine.decision import Decision
    from dbmigrations.machine.observed import Observed

Json = dict[str, Any]

FACT_OF = {
    Step.INSPECT: INSPECTED,
    Step.REHEARSE: REHEARSED,
    Step.COMPARE: REHEARSED,
    Step.QUIESCE: QUIESCED,
    Step.BACKUP: BACKUP_VERIFIED,
    Step.MIGRATE: MIGRATED,
    Step.RECHECK: MIGRATED,
    Step.RESUME: RESUMED,
    Step.RESUME_REST: RESUMED,
    Step.PROBE: PROBED,
}


def fail(o: Observed, reason: str, message: str, hint: str = "", *, start: Draft | None = None) -> Decision:
    """Fail a run whose database is untouched: bring the application back if this run stopped it, then be Stalled."""
    step = o.run.step
    begun = (start or draft(o)).run(failure=Failure(step, reason, message, hint))
    if fact := FACT_OF.get(step):
        begun = begun.set(fact, FALSE, reason, message)
    if o.run.down_since and not o.run.taken_over:
        return begun.goto(Step.PUT_BACK, f"bringing the application back as it was, because: {message}").wait(0.0)
    return finish_failed(begun)


def hold(o: Observed, reason: str, message: str, hint: str, *, start: Draft | None = None) -> Decision:
    """Fail a run whose database was changed, or may have been: nothing is started on a schema that is not its own."""
    fact = FACT_OF[o.run.step]
    begun = (start or draft(o)).run(failure=Failure(o.run.step, reason, message, hint))
    return finish_failed(begun.set(fact, FALSE, reason, message))


def finish_failed(begun: Draft) -> Decision:
    """End the run as Failed: Stalled, with a message that a person can act on."""
    begun = _close(begun, "Failed")
    run = _run(begun)
    failure = run.failure or Failure(run.step, "Failed", "the run failed")
    parts = [failure.message, application(begun.o, run), failure.hint]
    message = " ".join(_sentence(part) for part in parts if part)
    begun = begun.set(READY, FALSE, failure.reason, message).set(RECONCILING, FALSE, failure.reason, "the run ended")
    begun = begun.set(STALLED, TRUE, failure.reason, message).set(SUSPENDED, FALSE, failure.reason, "the run ended")
    return _recorded(replace(begun, status=replace(begun.status, phase="Stalled")), failure.reason).wait(0.0)


def finish_succeeded(begun: Draft, reason: str, message: str) -> Decision:
    """End the run as Succeeded: Ready, nothing more to do."""
    begun = _close(begun, "Succeeded")
    begun = begun.set(READY, TRUE, reason, message).set(RECONCILING, FALSE, reason, "the run ended")
    begun = begun.set(STALLED, FALSE, reason, "the run succeeded").set(SUSPENDED, FALSE, reason, "the run ended")
    run = _run(begun)
    success = {
        "run": run.id,
        "image": run.image,
        "target": run.target,
        "revisions": list(run.revisions_reached),
        "finishedAt": run.finished_at,
    }
    begun = replace(begun, status=replace(begun.status, phase="Ready", last_success=success))
    return _recorded(begun, reason).wait(0.0)


def finish_planned(begun: Draft, message: str) -> Decision:
    """End a dry run: the plan is there, nothing was touched, and nothing happens until somebody turns dryRun off.

    An application that an earlier run left stopped stays so, and that stays loud.
    """
    begun = _close(begun, "Planned")
    held = any(seen.held for seen in begun.o.workloads)
    message = " ".join(_sentence(part) for part in (message, application(begun.o, _run(begun)) if held else "") if part)
    words = message if held else "the dry run succeeded"
    begun = begun.set(READY, FALSE, "DryRun", message).set(RECONCILING, FALSE, "DryRun", "the dry run ended")
    begun = begun.set(STALLED, TRUE if held else FALSE, "DryRun", words).set(SUSPENDED, TRUE, "DryRun", message)
    return _recorded(replace(begun, status=replace(begun.status, phase="Planned")), "DryRun").wait(0.0)


def application(o: Observed, run: Run) -> str:
    """Say in one sentence where the application stands."""
    held = [f"{seen.ref} (before: {seen.original.replicas})" for seen in o.workloads if seen.held]
    if held:
        if run.taken_over and not run.down_since:
            return f"An earlier run left the application stopped, and it stays stopped: {', '.join(held)}"
        return f"THE APPLICATION IS STOPPED: {', '.join(held)}"
    if run.spec.get("strategy") == "Online":
        return "The application was not stopped (strategy: Online)"
    if not run.down_since:
        return "The application was not touched"
    late = [f"{seen.ref} ({seen.ready_replicas} of {seen.replicas} ready)" for seen in o.workloads if not seen.back]
    if o.run.step in {Step.RESUME, Step.PROBE, Step.RESUME_REST}:
        started = f"The application was started with {run.image}"
        return f"{started}, but is not ready: {', '.join(late)}" if late else started
    if late:
        return f"The application was started again, but is not ready: {', '.join(late)}"
    return "The application is back"


def go_back_to(run: Run) -> str:
    """Name the dump to go back to: the first one, taken before anything was changed."""
    backup = run.first_backup or run.backup
    if backup is None:
        return "There is no backup of this run (backup.mode: Skip)"
    return f"The verified dump from before the change is {backup.uri} (taken {backup.taken_at})"


def version_now(run: Run) -> str:
    """Say what the version rows are, as last seen."""
    return f"The version table says: {in_full(run.revisions_reached)}"


def _close(begun: Draft, outcome: str) -> Draft:
    run, now = _run(begun), begun.o.now
    spent = dict(run.seconds)
    if run.step is not Step.DONE and run.step_started_at:
        spent[run.step] = round(spent.get(run.step, 0) + seconds_between(run.step_started_at, now), 3)
    return begun.run(outcome=outcome, finished_at=to_micro(now), seconds=spent, step=Step.DONE, progress="")


def _recorded(begun: Draft, reason: str) -> Draft:
    run = _run(begun)
    entry: Json = {
        "run": run.id,
        "kind": run.kind,
        "outcome": run.outcome,
        "reason": reason,
        "from": run.from_,
        "to": run.to,
        "startedAt": run.started_at,
        "finishedAt": to_text(begun.o.now),
    }
    if run.downtime:
        entry["downtime"] = run.downtime
    if run.backup:
        entry["backup"] = run.backup.uri
    history = (entry, *begun.status.history)[:HISTORY]
    return replace(begun, status=replace(begun.status, history=history))


def _run(begun: Draft) -> Run:
    if begun.status.run is None:
        raise ValueError("no run")
    return begun.status.run


def _sentence(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", ":")) else text + "."
