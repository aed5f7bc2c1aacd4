"""Rehearse: the application's image migrates a scratch copy of the schema, while the application itself runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import from_text
from dbmigrations.api.run import Failure, Step
from dbmigrations.machine.attempts import Lost, ensure_job, next_attempt, overdue, stuck, without_pod
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, Draft, draft
from dbmigrations.machine.ending import fail
from dbmigrations.machine.rehearsal import plan_of, why_failed
from dbmigrations.machine.results import Result, parse_result
from dbmigrations.manifests.command import MAIN
from dbmigrations.manifests.rehearse import LOAD, REPORT, SCRATCH

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed
    from dbmigrations.machine.pods import PodSeen

ATTEMPTS = 3
"""A Pod that was lost costs nobody anything but time."""
KILLED = {137, 143}
"""Exit codes of a process that SIGKILL or SIGTERM ended."""
RETRY = "Correct it, then set a new spec.retryToken."


def rehearse(o: Observed) -> Decision:
    """Create the Job, follow its Pod, note what its report saw; then the real database is looked at again."""
    if refusal := _no_image(o):
        return fail(o, "ScratchImageMissing", refusal, RETRY)
    job = ensure_job(o, Step.REHEARSE)
    if isinstance(job, Decision):
        return job
    if isinstance(job, Result):
        return fail(o, job.reason, job.message, job.hint)
    if isinstance(job, Lost):
        return _again(o, "its Job was deleted before it reported")
    if not job.pods:
        trouble = without_pod(o, job)
        if trouble is None:
            return draft(o).wait(LOOK_AGAIN)
        return _again(o, trouble.message) if trouble.transient else fail(o, trouble.reason, trouble.message, RETRY)
    pod = job.pods[-1]
    if pod.ended:
        return _ended(o, pod)
    if overdue(o, job):
        return _again(o, f"its Pod {pod.name} did not end in time (its node may be gone)")
    if trouble := stuck(o, job, pod):
        return fail(o, trouble.reason, trouble.message, _hint(trouble))
    return draft(o).wait(LOOK_AGAIN)


def _hint(trouble: Result) -> str:
    """The scratch server's image is nothing that the manifest's author knows of."""
    if trouble.reason != "ImagePullFailed" or f"container {SCRATCH}:" not in trouble.message:
        return trouble.hint
    return (
        "It is the image of the scratch server: correct the operator's setting scratch.images (or "
        "spec.rehearsal.image), or make it pullable in this namespace. Then set a new spec.retryToken."
    )


def _no_image(o: Observed) -> str:
    major = o.run.inspection.server_major if o.run.inspection else 0
    if o.spec.rehearsal.get("image") or major in o.settings.scratch_majors:
        return ""
    known = ", ".join(map(str, o.settings.scratch_majors)) or "none"
    return (
        f"no image is known for a scratch server of PostgreSQL {major}: the operator's setting scratch.images has "
        f"{known}. Name one there, or in spec.rehearsal.image"
    )


def _ended(o: Observed, pod: PodSeen) -> Decision:
    load, main = pod.container(LOAD), pod.container(MAIN)
    if too_large := _too_large(pod):
        return _stopped(o, "RehearsalTooLarge", *too_large)
    if load.exit_code:
        return _not_loaded(o, parse_result(load.result), pod)
    if main.start_failed:
        message = f"the command {o.spec.migration['command']} could not be started: {main.message}"
        return fail(o, "CommandNotFound", message, f"Correct migration.command or the image. {RETRY}")
    told = parse_result(pod.container(REPORT).result)
    if pod.reason == "DeadlineExceeded" and (told is None or told.ok):
        return _stopped(o, "RehearsalTimeout", "the rehearsal did not end within the time that its Pod has", RETRY)
    if main.exit_code in KILLED and (pod.terminating or pod.reason):
        return _again(o, f"its Pod {pod.name} was ended from outside ({pod.reason or 'deleted'})")
    if told is None or main.exit_code is None or main.untold:
        return _again(o, f"its Pod {pod.name} ended without a readable report ({pod.reason or 'no reason given'})")
    failure = why_failed(o, told, main, pod.name)
    begun = draft(o).run(plan=plan_of(o, told, pod.name), failure=failure)
    return begun.goto(Step.COMPARE).wait(0.0)


def _too_large(pod: PodSeen) -> tuple[str, str] | None:
    if pod.reason != "Evicted" or "dbm-scratch" not in pod.message:
        return None
    message = f"the scratch copy needs more disk space than it may have: {pod.message}"
    return message, f"Raise the operator's setting scratch.size, or name fewer tables in rehearsal.dataOf. {RETRY}"


def _not_loaded(o: Observed, result: Result | None, pod: PodSeen) -> Decision:
    if result is None:
        scratch = pod.container(SCRATCH)
        return _again(o, f"the copy was not loaded, without a reason given (scratch server: {scratch.reason or 'up'})")
    if result.transient and o.now < from_text(o.run.retry_until):
        retry = next_attempt(o, Step.REHEARSE)
        words = f"{result.reason}: {result.message} (trying again until {o.run.retry_until})"
        return Draft(o, retry.status).doing("Rehearsing", words).wait(retry.requeue or LOOK_AGAIN)
    return fail(o, result.reason, f"the schema could not be copied: {result.message}", result.hint or RETRY)


def _again(o: Observed, why: str) -> Decision:
    if o.run.attempts[Step.REHEARSE].number < ATTEMPTS:
        return next_attempt(o, Step.REHEARSE)
    return _stopped(o, "RehearsalLost", f"{ATTEMPTS} rehearsals were lost; the last one: {why}", RETRY)


def _stopped(o: Observed, reason: str, message: str, hint: str) -> Decision:
    """Give up, but look at the real database first: the command may have run, and nobody reported what it did."""
    begun = draft(o).run(failure=Failure(Step.REHEARSE, reason, message, hint))
    return begun.goto(Step.COMPARE).wait(0.0)
