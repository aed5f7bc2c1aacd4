"""Resume and PutBack: the application comes back, with the new image after a migration, as it was after a failure.

Workloads behind the probed Service start first, the others after the probe: if the new version is not healthy, its
workers have not touched anything yet.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrations.api.clock import seconds_between
from dbmigrations.api.conditions import RESUMED, TRUE
from dbmigrations.api.durations import format_seconds
from dbmigrations.api.run import Failure, Step
from dbmigrations.machine.attempts import command_ran
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, Draft, draft, step_deadline_passed
from dbmigrations.machine.effects import DeleteJob, StartWorkload
from dbmigrations.machine.ending import finish_failed, finish_succeeded, hold
from dbmigrations.machine.versions import in_full
from dbmigrations.manifests.workloads import new_images, noted_image

if TYPE_CHECKING:
    from dbmigrations.api.run import Original
    from dbmigrations.machine.observed import Observed, Problem, WorkloadSeen


def resume(o: Observed) -> Decision:
    """Start what the probe will ask (everything, where there is no probe), then probe."""
    first = [seen for seen in o.workloads if _probed(o, seen)] or list(o.workloads)
    waiting = _bring_back(o, first, new_image=True)
    if waiting is not None:
        return waiting
    # The probe is no downtime: it ends with the last workload ready, here or after the probe.
    begun = _measure(o) if all(seen.back for seen in o.workloads) else draft(o)
    return begun.goto(Step.PROBE).wait(0.0)


def resume_rest(o: Observed) -> Decision:
    """Start the others; then the run is done."""
    waiting = _bring_back(o, list(o.workloads), new_image=True)
    return waiting if waiting is not None else done(o, draft(o))


def put_back(o: Observed) -> Decision:
    """Bring everything back as it was; nothing of this run may still work on the database meanwhile."""
    if not o.run.started and command_ran(o):
        # A Job that the API server had not confirmed came late. As it was is not what it is now.
        return draft(o).goto(Step.RECHECK, "the migration was started after all").wait(0.0)
    for job in o.jobs:
        # A Pod whose node is gone never ends. None that could change the database is left here.
        if job.live and not step_deadline_passed(o, o.settings.stop_timeout):
            return draft(o).wait(1.0) if job.deleting else draft(o).do(DeleteJob(job.name))
    waiting = _bring_back(o, list(o.workloads), new_image=False)
    return waiting if waiting is not None else finish_failed(_measure(o))


def start_effect(o: Observed, seen: WorkloadSeen, original: Original, *, new_image: bool) -> StartWorkload | None:
    """Return what brings a workload back; None where it was done already."""
    if seen.raw is None:
        return None
    old: tuple[str, ...] = ()
    if new_image and o.spec.set_image:
        # What an earlier run stopped has the image of then, whatever podFrom's container runs by now.
        old = (o.run.old_image, noted_image(seen.raw))
    replicas = original.replicas if seen.replicas == 0 and original.replicas else None
    # Where somebody else has started it meanwhile, their number stays, but our note of the original must go.
    if replicas is None and not seen.annotated and not new_images(seen.raw, old, o.spec.image):
        return None
    return StartWorkload(seen.ref, replicas, old, o.spec.image)


def _bring_back(o: Observed, group: list[WorkloadSeen], *, new_image: bool) -> Decision | None:
    """Start one workload a pass, then wait for all; None once they are back."""
    originals = {(w.kind, w.name): w for w in o.run.workloads}
    for seen in group:
        original = originals.get((seen.ref.kind, seen.ref.name))
        effect = start_effect(o, seen, original, new_image=new_image) if original else None
        if effect and o.problem:
            return _not_let(o, seen, o.problem, new_image=new_image)
        if effect:
            return draft(o).do(effect)
    late = [seen for seen in group if not seen.back]
    if not late:
        return None
    gone = [str(seen.ref) for seen in late if seen.raw is None]
    if not gone and not step_deadline_passed(o, o.spec.resume_timeout):
        return draft(o).wait(LOOK_AGAIN)
    return _not_back(o, late, gone, new_image=new_image)


def _not_let(o: Observed, seen: WorkloadSeen, problem: Problem, *, new_image: bool) -> Decision:
    """The API server refuses to start it: that is tried for as long as the application may take to come back."""
    words = f"the API server refuses to start {seen.ref}: {problem.message}"
    if not step_deadline_passed(o, o.spec.resume_timeout):
        return draft(o).doing(o.status.phase, f"{words} (trying again)").wait(5.0)
    if new_image:
        return hold(o, "StartRefused", f"the database was migrated, but {words}", "Allow it, or start it by hand.")
    failure = o.run.failure or Failure(o.run.step, "StartRefused", "")
    said = replace(failure, message=f"{failure.message}; and {words}")
    return finish_failed(draft(o).run(failure=said))


def _not_back(o: Observed, late: list[WorkloadSeen], gone: list[str], *, new_image: bool) -> Decision:
    if not new_image:
        return finish_failed(_measure(o))
    if gone:
        message = f"the database was migrated, but {', '.join(gone)} was deleted meanwhile"
        return hold(o, "WorkloadMissing", message, "Create it with the new image.", start=_measure(o))
    states = "; ".join(f"{seen.ref}: {_state(seen)}" for seen in late)
    message = f"the database was migrated, but the application was not ready within {o.spec.resume_timeout} s: {states}"
    hint = f"Look at its Pods and logs. {in_full(o.run.revisions_reached)} is the database's version."
    return hold(o, "NotReadyInTime", message, hint, start=_measure(o))


def _state(seen: WorkloadSeen) -> str:
    waiting = [f"{pod.name} {c.waiting}" for pod in seen.pods for c in pod.containers if c.waiting]
    return f"{seen.ready_replicas} of {seen.replicas} ready" + (f" ({', '.join(waiting)[:300]})" if waiting else "")


def _probed(o: Observed, seen: WorkloadSeen) -> bool:
    """Tell whether the probe's Service selects this workload's Pods."""
    selector = (o.service or {}).get("spec", {}).get("selector") or {}
    if not selector or seen.raw is None:
        return False
    labels = seen.raw["spec"]["template"]["metadata"].get("labels", {})
    return all(labels.get(key) == value for key, value in selector.items())


def after_probe(o: Observed, begun: Draft) -> Decision:
    """Start what the probe did not ask, or end the run where nothing is left to start."""
    if _nothing_left(o):
        return done(o, begun)
    return begun.goto(Step.RESUME_REST).wait(0.0)


def _nothing_left(o: Observed) -> bool:
    originals = {(w.kind, w.name): w for w in o.run.workloads}
    pairs = [(seen, originals.get((seen.ref.kind, seen.ref.name))) for seen in o.workloads]
    return all(seen.back and not (w and start_effect(o, seen, w, new_image=True)) for seen, w in pairs)


def _measure(o: Observed, begun: Draft | None = None) -> Draft:
    """Downtime counts from the first scale PATCH to the last workload ready."""
    begun = begun or draft(o)
    if not o.run.down_since or o.run.downtime:
        return begun
    seconds = seconds_between(o.run.down_since, o.now)
    return begun.run(downtime=format_seconds(seconds), downtime_seconds=round(seconds, 3))


def done(o: Observed, begun: Draft) -> Decision:
    """End the run: everything is back and, where the manifest says how, probed."""
    begun = _measure(o, begun)
    run = begun.status.run or o.run
    zero = [str(seen.ref) for seen in o.workloads if seen.replicas == 0]
    words = "every workload is ready" + (f"; at 0 as before: {', '.join(zero)}" if zero else "")
    begun = begun.set(RESUMED, TRUE, "Resumed", words)
    message = f"the database is at {in_full(run.revisions_reached)}"
    message += f"; the application was stopped for {run.downtime}" if run.downtime else "; no downtime"
    if run.backup:
        message += f"; backup: {run.backup.uri}"
    return finish_succeeded(begun, "Migrated", message)
