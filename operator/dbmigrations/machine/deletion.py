"""Deletion in the middle of a run is a bounded abort: the application comes back if the database is unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import seconds_between
from dbmigrations.api.names import STOPPED_BECAUSE
from dbmigrations.api.run import Step
from dbmigrations.machine.decision import Decision, draft
from dbmigrations.machine.effects import DeleteJob, ExplainWorkload, RemoveFinalizer, StartWorkload
from dbmigrations.machine.ending import go_back_to, version_now
from dbmigrations.machine.steps.migrate import main_ever_ran
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
    for job in o.jobs:
        if job.live:
            return draft(o).wait(1.0) if job.deleting else draft(o).do(DeleteJob(job.name))
    return _release(o)


def _migration_under_way(o: Observed) -> bool:
    """Tell whether the migration may have begun and its outcome is not known yet."""
    if o.run.step is Step.RECHECK:
        return True
    return o.run.step is Step.MIGRATE and (o.run.started or main_ever_ran(o))


def _wait_for_migration(o: Observed) -> Decision | None:
    """Let the migration end by itself for a while: killing it is safe, but leaves less to be known."""
    if seconds_between(o.deleting_since, o.now) < o.settings.delete_timeout:
        return None
    for job in o.jobs:
        if job.live and not job.deleting:
            return draft(o).do(DeleteJob(job.name))
        if job.live:
            return draft(o).wait(1.0)
    return _release(o)


def _release(o: Observed) -> Decision:
    """Start or explain each stopped workload, then remove the finalizer."""
    changed = o.run.started or o.run.taken_over
    resumed = o.run.step in {Step.RESUME, Step.PROBE, Step.RESUME_REST}
    for original in o.run.workloads:
        seen = next((w for w in o.workloads if w.ref.kind == original.kind and w.ref.name == original.name), None)
        if seen is None or seen.raw is None or not seen.held:
            continue
        if changed and not resumed and o.run.step is not Step.PUT_BACK:
            reason = _stays_stopped(o)
            if seen.raw["metadata"]["annotations"].get(STOPPED_BECAUSE) != reason:
                words = f"{seen.ref} stays stopped: {reason}"
                return draft(o).note("Warning", "LeftStopped", words).do(ExplainWorkload(seen.ref, reason))
            continue
        effect = start_effect(o, seen, original, new_image=resumed)
        if isinstance(effect, StartWorkload):
            words = f"the resource was deleted during {o.run.step}: {seen.ref} is brought back"
            return draft(o).note("Normal", "Aborted", words).do(effect)
    return draft(o).do(RemoveFinalizer())


def _stays_stopped(o: Observed) -> str:
    name = f"{o.resource.namespace}/{o.resource.name}"
    return (
        f"DatabaseMigration {name} was deleted during {o.run.step} of run {o.run.id}, when the database had been "
        f"changed or may have been. {version_now(o.run)}. {go_back_to(o.run)}. A new DatabaseMigration for this "
        f"database takes over from here; original replicas are in the annotation dbmigrations.dev/original."
    )[:1000]
