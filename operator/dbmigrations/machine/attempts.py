"""One Job of a step: recorded, created, recognised, lost, read. What its report means is the step's own business."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from dbmigrations.api.clock import from_text
from dbmigrations.api.run import Attempt, Step
from dbmigrations.machine.decision import Decision, draft, later
from dbmigrations.machine.effects import CreateJob
from dbmigrations.machine.pods import missing_reason
from dbmigrations.machine.results import Result, parse_result
from dbmigrations.manifests.command import MAIN

if TYPE_CHECKING:
    from datetime import datetime

    from dbmigrations.machine.decision import Draft
    from dbmigrations.machine.observed import JobSeen, Observed
    from dbmigrations.machine.pods import PodSeen

BACKOFF = (2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds before another attempt, by the number of those that failed."""
REFUSED_WHILE_DOWN = 30.0
"""Seconds for which a refusal that may pass is endured while the application is stopped."""
OVERDUE_SECONDS = 60.0
"""Seconds beyond deadline and grace period after which a Pod that does not end is given up."""
NO_POD_SECONDS = 120.0
"""Seconds after which a Job that still has no Pod is given up."""


CREATE = (
    "Create what is missing and set a new spec.retryToken; or correct the reference, in the manifest or in the Pod "
    "template that spec.migration.podFrom names."
)
HINTS = {
    "ImagePullFailed": (
        "Correct the image's name or its pull secrets: an edited image starts a new run, anything else needs a new "
        "spec.retryToken."
    ),
    "Unschedulable": "Make room for it, or correct nodeSelector and tolerations; then set a new spec.retryToken.",
    "ContainerConfigError": "Correct what the message names, then set a new spec.retryToken.",
    "PodNotStarting": "Correct what the message names, then set a new spec.retryToken.",
}
"""What to do about a Pod that does not start, by reason; anything else is something that is missing."""


@dataclass(frozen=True)
class Lost:
    """The Job was seen, and is gone or has no Pod left: what it did must be found out otherwise."""


def ensure_job(o: Observed, step: Step) -> Decision | JobSeen | Lost | Result:
    """Return the step's Job once it exists and is recorded; a Result where the API server refuses it for good."""
    attempt = o.run.attempts.get(step)
    if attempt is None:
        return _record(o, step, Attempt(1)).do(CreateJob(step, 1))
    job = o.job(step, attempt.number)
    if job is None:
        return Lost() if attempt.uid else _create(o, step, attempt)
    if not attempt.uid:
        return _record(o, step, replace(attempt, uid=job.uid)).wait(0.0)
    if attempt.uid != job.uid:
        return Lost()
    addresses = tuple(pod.address for pod in job.pods if pod.address)
    if step is Step.MIGRATE and set(addresses) - set(attempt.addresses):
        # Written before anything can go wrong with the Pod: its sessions are found by its address.
        known = tuple(dict.fromkeys((*attempt.addresses, *addresses)))
        return _record(o, step, replace(attempt, addresses=known)).wait(0.0)
    return job


def next_attempt(o: Observed, step: Step) -> Decision:
    """Record another attempt, to be created after a pause that grows."""
    attempt = o.run.attempts[step]
    pause = BACKOFF[min(attempt.number - 1, len(BACKOFF) - 1)]
    following = Attempt(attempt.number + 1, not_before=later(o, pause), addresses=attempt.addresses)
    return _record(o, step, following).wait(pause)


def command_ran(o: Observed) -> bool:
    """Tell whether the migration's command runs or ran in a Pod of its newest attempt that is still there."""
    attempt = o.run.attempts.get(Step.MIGRATE)
    job = o.job(Step.MIGRATE, attempt.number) if attempt else None
    return job is not None and any(pod.container(MAIN).ever_ran for pod in job.pods)


def program_result(o: Observed, job: JobSeen | Lost, program: str) -> Result | None:
    """Return what a Job with one program reported, or why it cannot report; None while it is under way."""
    if isinstance(job, Lost):
        return _lost("its Job was deleted before it reported")
    if not job.pods:
        return without_pod(o, job)
    pod = job.pods[-1]
    if not pod.ended:
        if overdue(o, job):
            return _lost(f"its Pod {pod.name} did not end in time (its node may be gone)")
        return stuck(o, job, pod)
    container = pod.container(program)
    result = parse_result(container.result)
    if result is not None:
        return result
    if container.reason == "OOMKilled":
        return Result(False, "OOMKilled", f"the {program} container was killed: out of memory", "See the Pod's limits.")
    if pod.reason == "DeadlineExceeded":
        return Result(False, "DeadlineExceeded", f"{program} did not end within the time that its Pod has")
    return _lost(
        f"its Pod {pod.name} ended without a readable report ({pod.reason or container.reason or 'no reason'})"
    )


def stuck(o: Observed, job: JobSeen, pod: PodSeen) -> Result | None:
    """Return what keeps a Pod from starting, once that lasted longer than the settings allow."""
    found = pod.trouble(o.now, o.settings.config_grace)
    if found:
        reason, message = found
        return Result(False, reason, f"the Pod {pod.name} cannot start: {message}", HINTS.get(reason, CREATE))
    late = o.now - from_text(pod.created) >= timedelta(seconds=o.settings.config_grace)
    moving = pod.unschedulable or any(c.running or c.exit_code is not None for c in pod.containers)
    if late and job.warnings and not moving:
        message = job.warnings[-1]
        reason = missing_reason(message, "PodNotStarting")
        return Result(False, reason, f"the Pod {pod.name} cannot start: {message}", HINTS.get(reason, CREATE))
    return None


def _create(o: Observed, step: Step, attempt: Attempt) -> Decision | Result:
    if attempt.not_before and o.now < from_text(attempt.not_before):
        return draft(o).wait((from_text(attempt.not_before) - o.now).total_seconds())
    refusal = refused(o, f"to create the {step} Job", "JobRefused")
    return refusal or draft(o).do(CreateJob(step, attempt.number))


def refused(o: Observed, what: str, reason: str) -> Decision | Result | None:
    """Return what follows from the API server's refusal of the last effect; None where there was none.

    What may pass is waited for: while the application is stopped, not for long.
    """
    if o.problem is None:
        return None
    words = f"the API server refused {what}: {o.problem.message}"
    if o.problem.passing and o.now < _patience(o):
        return draft(o).doing(o.status.phase, f"{words} (trying again)").wait(5.0)
    hint = f"{'Wait until it passes' if o.problem.passing else 'Allow it'}, then set a new spec.retryToken."
    return Result(False, missing_reason(o.problem.message, reason), words, hint)


def _patience(o: Observed) -> datetime:
    if o.run.down_since:
        return from_text(o.run.step_started_at) + timedelta(seconds=REFUSED_WHILE_DOWN)
    return from_text(o.run.retry_until)


def _record(o: Observed, step: Step, attempt: Attempt) -> Draft:
    return draft(o).run(attempts={**o.run.attempts, step.value: attempt})


def overdue(o: Observed, job: JobSeen) -> bool:
    """Tell whether a Pod outlived its own deadline: only a kubelet ends Pods, and its node may be gone."""
    spec = job.raw.get("spec", {}).get("template", {}).get("spec", {})
    if "activeDeadlineSeconds" not in spec:
        return False
    seconds = spec["activeDeadlineSeconds"] + spec["terminationGracePeriodSeconds"] + OVERDUE_SECONDS
    return o.now >= from_text(job.pods[-1].created) + timedelta(seconds=seconds)


def without_pod(o: Observed, job: JobSeen) -> Result | None:
    """Return why a Job without a Pod is given up; None while one may still come."""
    if job.finished:
        return _lost(f"the Pod of Job {job.name} was deleted before it reported")
    age = (o.now - from_text(job.raw["metadata"]["creationTimestamp"])).total_seconds()
    if job.warnings and age >= o.settings.config_grace:
        message = job.warnings[-1]
        return Result(False, missing_reason(message, "PodRefused"), message, "Correct it, set a new retryToken.", True)
    return _lost(f"Job {job.name} has had no Pod for {age:.0f} s") if age >= NO_POD_SECONDS else None


def _lost(message: str) -> Result:
    return Result(False, "JobLost", message, "Set a new spec.retryToken to try again.", transient=True)
