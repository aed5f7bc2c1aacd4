"""Quiesce: the application is stopped when no Pod of it is left, terminating ones included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.conditions import QUIESCED, TRUE
from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import refused
from dbmigrations.machine.decision import Decision, draft, step_deadline_passed
from dbmigrations.machine.effects import StopWorkload
from dbmigrations.machine.ending import fail
from dbmigrations.machine.results import Result
from dbmigrations.machine.writers import replica_writer

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed, WorkloadSeen

POLL = 0.5
"""Seconds between looks while the last Pods end: every one of them is downtime, and Pods are not watched."""
MAX_CONTESTED = 3
"""How often a workload that somebody scaled up again is stopped once more."""


def quiesce(o: Observed) -> Decision:
    """Stop each workload, wait for its last Pod, give up safely when one will not end or somebody interferes."""
    for seen in o.workloads:
        original = next((w for w in o.run.workloads if w.kind == seen.ref.kind and w.name == seen.ref.name), None)
        if original is None or seen.raw is None or seen.replicas == 0:
            continue
        refusal = refused(o, f"to stop {seen.ref}", "StopRefused")
        if isinstance(refusal, Result):
            return fail(o, refusal.reason, refusal.message, refusal.hint)
        if refusal:
            return refusal
        if seen.annotated:
            return _contested(o, seen)
        return draft(o).do(StopWorkload(original))
    left = [seen for seen in o.workloads if not seen.down]
    if not left:
        return _quiesced(o)
    pods = [f"{pod.name} ({'terminating' if pod.terminating else pod.phase})" for w in left for pod in w.pods]
    grace = max((pod.grace_seconds for w in left for pod in w.pods), default=30)
    if step_deadline_passed(o, grace + o.settings.stop_timeout):
        message = f"these Pods did not end within {grace + o.settings.stop_timeout:.0f} s: {', '.join(pods)[:500]}"
        return fail(o, "PodsWillNotEnd", message, "Find out why they do not end, then set a new spec.retryToken.")
    return draft(o).wait(POLL)


def _contested(o: Observed, seen: WorkloadSeen) -> Decision:
    """Somebody scaled it up after we had stopped it."""
    writer = replica_writer(seen.raw or {})
    if o.run.contested >= MAX_CONTESTED:
        message = f"{seen.ref} was scaled up {MAX_CONTESTED + 1} times after it had been stopped, last by {writer}"
        return fail(o, "ScaleDownContested", message, f"Keep {writer} from scaling it during migrations.")
    original = next(w for w in o.run.workloads if w.kind == seen.ref.kind and w.name == seen.ref.name)
    words = f"{seen.ref} was scaled to {seen.replicas} by {writer} after it had been stopped: stopping it again"
    begun = draft(o).run(contested=o.run.contested + 1).note("Warning", "ScaleDownContested", words)
    return begun.do(StopWorkload(original))


def _quiesced(o: Observed) -> Decision:
    names = ", ".join(str(seen.ref) for seen in o.workloads)
    words = f"no Pod of {names} is left" if o.run.down_since else f"{names} had no Pods before the run"
    begun = draft(o).set(QUIESCED, TRUE, "Stopped" if o.run.down_since else "NothingToStop", words)
    return begun.goto(Step.BACKUP if o.spec.backup else Step.MIGRATE).wait(0.0)


def stop_again(o: Observed) -> Decision | None:
    """Stop what somebody scaled up while the migration runs: the old version must not work on a new schema.

    It cannot be aborted any more, so after a few times the fight is given up, and told.
    """
    for seen in o.workloads:
        original = next((w for w in o.run.workloads if w.kind == seen.ref.kind and w.name == seen.ref.name), None)
        if original is None or seen.raw is None or not seen.replicas or o.run.contested > MAX_CONTESTED:
            continue
        writer = replica_writer(seen.raw)
        words = f"{seen.ref} was scaled to {seen.replicas} by {writer} while the migration runs"
        begun = draft(o).run(contested=o.run.contested + 1)
        if o.run.contested == MAX_CONTESTED:
            words += f", for the {MAX_CONTESTED + 1}th time: it is left running, on a schema that may not be its own"
            return begun.note("Warning", "ScaleDownContested", words).wait(0.0)
        words += ": stopping it again"
        return begun.note("Warning", "ScaleDownContested", words).do(StopWorkload(original))
    return None


def scaled_up(o: Observed) -> str:
    """Say who scaled a stopped workload up again; empty where nobody did."""
    if o.spec.online:
        return ""
    for seen in o.workloads:
        if seen.raw is not None and seen.replicas:
            return f"{seen.ref} was scaled to {seen.replicas} by {replica_writer(seen.raw)} while it had to be stopped"
    return ""
