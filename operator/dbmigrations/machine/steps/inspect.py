"""Inspect: everything that can be known to fail while the application is still up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import from_text, seconds_between
from dbmigrations.api.conditions import INSPECTED, TRUE
from dbmigrations.api.run import Original, Step
from dbmigrations.machine.attempts import ensure_job, next_attempt, program_result
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, Draft, draft
from dbmigrations.machine.effects import AddFinalizer
from dbmigrations.machine.ending import fail, finish_planned, finish_succeeded
from dbmigrations.machine.results import Result, fingerprint_of, inspection_of
from dbmigrations.machine.versions import at_target, for_people, in_full
from dbmigrations.manifests.source import PodSource

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint
    from dbmigrations.machine.observed import Observed


def inspect(o: Observed) -> Decision:
    """Check what the manifest refers to, then read the database's version, size and privileges by a Job."""
    if problem := preconditions(o):
        reason, message = problem
        # Applied together, a manifest may be seen before what it refers to.
        if seconds_between(o.run.started_at, o.now) < o.settings.config_grace:
            return draft(o).doing("Inspecting", f"waiting: {message}").wait(2.0)
        return fail(o, reason, message, "Correct the manifest, or create it and set a new spec.retryToken.")
    if not o.run.template_hash:
        return _note_source(o)
    job = ensure_job(o, Step.INSPECT)
    if isinstance(job, Decision):
        return job
    result = job if isinstance(job, Result) else program_result(o, job, "inspect")
    if result is None:
        return draft(o).wait(LOOK_AGAIN)
    if result.ok:
        return _inspected(o, result)
    if result.transient and o.now < from_text(o.run.retry_until):
        retry = next_attempt(o, Step.INSPECT)
        words = f"{result.reason}: {result.message} (trying again until {o.run.retry_until})"
        return Draft(o, retry.status).doing("Inspecting", words).wait(retry.requeue or LOOK_AGAIN)
    return fail(o, result.reason, result.message, result.hint)


def preconditions(o: Observed) -> tuple[str, str] | None:
    """Return reason and message of the first thing that the manifest refers to and that is not there."""
    source = o.pod_source
    if not isinstance(source, PodSource):
        return ("WorkloadNotFound" if o.source is None else "ContainerNotFound"), f"migration.podFrom: {source}"
    for seen in o.workloads:
        if seen.raw is None:
            return "WorkloadNotFound", f"workloads: {seen.ref} does not exist in namespace {o.resource.namespace}"
    if not o.spec.set_image and source.image != o.spec.image:
        return "ImageDiffers", (
            f"resume.mode: Scale starts {o.spec.source} as it is, with image {source.image}, but migration.image is "
            f"{o.spec.image}: make them equal, or use resume.mode: SetImage"
        )
    return _service(o)


def _service(o: Observed) -> tuple[str, str] | None:
    wanted = o.spec.probe
    if wanted is None:
        return None
    if o.service is None:
        return "ServiceNotFound", f"probe.http: Service {wanted.service} does not exist in {o.resource.namespace}"
    if o.service["spec"].get("type") == "ExternalName":
        return "ServiceNotAllowed", f"probe.http: Service {wanted.service} points outside (ExternalName): not probed"
    ports = [port["port"] for port in o.service["spec"].get("ports", [])]
    if wanted.port not in ports:
        known = ", ".join(map(str, ports)) or "none"
        return "ServicePortNotFound", f"probe.http: Service {wanted.service} has no port {wanted.port}; it has: {known}"
    return None


def _note_source(o: Observed) -> Decision:
    """The workload appeared after the run began: note what it runs with now."""
    source = o.pod_source
    if not isinstance(source, PodSource):
        raise TypeError(source)
    return draft(o).run(template_hash=source.hash, old_image=source.image).wait(0.0)


def _inspected(o: Observed, result: Result) -> Decision:
    planned, seen = fingerprint_of(result), inspection_of(result)
    if planned is None:
        return fail(o, "ResultUnreadable", "Inspect reported no fingerprint of the database", "This is a bug.")
    message = (
        f"PostgreSQL {seen.server_version}, database {seen.database} of {seen.size_bytes / 1e6:.0f} MB, "
        f"at {in_full(planned.revisions)}"
    )
    if seen.warnings:
        message += "; note: " + "; ".join(seen.warnings)
    begun = draft(o).run(inspection=seen, planned=planned, from_=for_people(planned.revisions))
    begun = begun.set(INSPECTED, TRUE, "Inspected", message)
    if at_target(o.spec, planned.revisions):
        return already_there(o, begun, planned)
    return begun.goto(Step.REHEARSE if o.spec.rehearse else Step.CHECK).wait(0.0)


def already_there(o: Observed, begun: Draft, planned: Fingerprint) -> Decision:
    """Nothing is to be migrated: what an earlier run left stopped is brought back, else the run is done."""
    begun = begun.run(to=for_people(planned.revisions))
    if o.run.unfinished or any(workload.held for workload in o.workloads):
        if o.live.dry_run:
            words = f"dry run: the database is at {in_full(planned.revisions)} already"
            return finish_planned(begun, f"{words}; a real run would only bring the application back and probe it")
        # An earlier run got there, but the application is stopped or was not well: it is brought back and probed.
        if not o.has_finalizer and o.problem is None:
            return draft(o).do(AddFinalizer())
        return begun.run(workloads=originals(o), after=planned).goto(Step.RESUME).wait(0.0)
    reached = in_full(planned.revisions)
    return finish_succeeded(
        begun, "AlreadyAtTarget", f"the database is at {reached} already: no downtime, no backup, nothing was changed"
    )


def originals(o: Observed) -> tuple[Original, ...]:
    """Return what each workload was before any run stopped it."""
    return tuple(seen.original for seen in o.workloads if seen.raw is not None)
