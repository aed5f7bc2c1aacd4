"""Deletion in the middle of a run is a bounded abort: the application comes back if the database is unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import seconds_between
from dbmigrations.api.names import ORIGINAL, STOPPED_BECAUSE
from dbmigrations.api.run import Step
from dbmigrations.machine.decision import Decision, draft
from dbmigrations.machine.effects import CleanUp, DeleteJob, ExplainWorkload, RemoveFinalizer
from dbmigrations.machine.ending import go_back_to, version_now
from dbmigrations.machine.steps.resume import start_effect

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed


def released(o: Observed) -> Decision | None:
    """Nothing of ours holds a resource that is being deleted: do nothing more."""
    return Decision(o.status) if o.deleting_since and not o.has_finalizer else None


def abort(o: Observed) -> Decision | None:
    """End the run early, leave the application as it must be, and let the resource go."""
    if not o.deleting_since or not o.run.active:
        return None
    if _migration_under_way(o):
        return _wait_for_migration(o)
    return _end_jobs(o) or _release(o)


def _end_jobs(o: Observed) -> Decision | None:
    """End what still works; a Pod whose node is gone never ends, and is not waited for much longer."""
    for job in o.jobs:
        if job.live and not _given_up(o):
            return draft(o).wait(1.0) if job.deleting else draft(o).do(DeleteJob(job.name))
    return None


def _given_up(o: Observed) -> bool:
    """Tell whether the deletion took so long that the rest is left as it is: nobody could delete it otherwise."""
    return seconds_between(o.deleting_since, o.now) >= 2 * o.settings.delete_timeout


def _migration_under_way(o: Observed) -> bool:
    """Tell whether the migration may have begun and its outcome is not known yet.

    A Job that was not seen running may start in this very moment: once it is recorded, only its outcome tells.
    """
    return o.run.step is Step.RECHECK or (o.run.step is Step.MIGRATE and Step.MIGRATE in o.run.attempts)


def _wait_for_migration(o: Observed) -> Decision | None:
    """Let the migration end by itself for a while: killing it is safe, but leaves less to be known."""
    if seconds_between(o.deleting_since, o.now) < o.settings.delete_timeout:
        return None
    return _end_jobs(o) or _release(o)


def _release(o: Observed) -> Decision:
    """Start or explain each stopped workload, then remove the finalizer."""
    stays = o.run.taken_over or _migration_under_way(o)
    if stays:
        return explain_stopped(o) or _let_go(o)
    resumed = o.run.step in {Step.RESUME, Step.PROBE, Step.RESUME_REST}
    originals = {(original.kind, original.name): original for original in o.run.workloads}
    for seen in o.workloads:
        original = originals.get((seen.ref.kind, seen.ref.name))
        effect = start_effect(o, seen, original, new_image=resumed) if original and seen.annotated else None
        if effect and not (o.problem and _given_up(o)):
            words = f"the resource was deleted during {o.run.step}: {seen.ref} is brought back"
            return draft(o).note("Normal", "Aborted", words).do(effect)
    return _let_go(o)


def _let_go(o: Observed) -> Decision:
    """Give the Jobs that ended to the resource, so that they go with it: afterwards nobody knows of them."""
    if o.problem is None and any(not (job.owned or job.deleting) for job in o.jobs):
        return draft(o).do(CleanUp())
    return draft(o).do(RemoveFinalizer())


def explain_stopped(o: Observed) -> Decision | None:
    """Say on each workload that stays stopped why it does: whoever finds it at 0 looks there first."""
    reason = _stays_stopped(o)
    for seen in o.workloads:
        # A refused note must not hold the resource: the events and the status say the same.
        if not seen.held or seen.raw is None or o.problem:
            continue
        if STOPPED_BECAUSE not in seen.raw["metadata"]["annotations"]:
            words = f"{seen.ref} stays stopped: {reason}"
            return draft(o).note("Warning", "LeftStopped", words).do(ExplainWorkload(seen.ref, reason))
    return None


def _stays_stopped(o: Observed) -> str:
    name, run = f"{o.resource.namespace}/{o.resource.name}", o.run
    why = run.failure.message if run.failure else f"it was deleted during {run.step}, when the outcome was not known"
    return (
        f"DatabaseMigration {name}, run {run.id}: {why}. {version_now(run)}. {go_back_to(run)}. A new run for this "
        f"database takes over from here; the original replicas are in the annotation {ORIGINAL}."
    )[:1000]
