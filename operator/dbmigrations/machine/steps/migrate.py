"""Migrate: one Pod with gate, guard and the application's image. What happened is told by the guard, or read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.run import Failure, Step
from dbmigrations.machine.attempts import Lost, ensure_job, overdue, stuck, without_pod
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, draft
from dbmigrations.machine.ending import fail
from dbmigrations.machine.judgement import Ended, judge
from dbmigrations.machine.results import Result, fingerprint_of, parse_result
from dbmigrations.machine.steps.quiesce import stop_again
from dbmigrations.manifests.command import MAIN
from dbmigrations.manifests.migrate import GATE, GUARD
from dbmigrations.manifests.source import PodSource

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint
    from dbmigrations.machine.observed import JobSeen, Observed
    from dbmigrations.machine.pods import PodSeen

KILLED = {137, 143}
"""Exit codes of a process that SIGKILL or SIGTERM ended."""
RETRY = "Correct it, then set a new spec.retryToken."


def migrate(o: Observed) -> Decision:
    """Create the Job, follow its Pod, judge what it left."""
    if Step.MIGRATE not in o.run.attempts and (refusal := _template_changed(o)):
        return fail(o, "PodTemplateChanged", refusal, "Set a new spec.retryToken.")
    if not o.spec.online and (contested := stop_again(o)):
        return contested
    job = ensure_job(o, Step.MIGRATE)
    if isinstance(job, Decision):
        return job
    if isinstance(job, Result):
        return fail(o, job.reason, job.message, job.hint)
    if isinstance(job, Lost):
        return _unclear(o, "the Job was deleted before it reported")
    if not job.pods:
        return _no_pod(o, job)
    if job.live and overdue(o, job):
        return _unclear(o, f"its Pod {job.pods[-1].name} did not end in time (its node may be gone)")
    ran = [pod for pod in job.pods if pod.container(MAIN).ever_ran]
    if len(ran) > 1:
        return _unclear(o, "two Pods ran it") if all(p.ended for p in job.pods) else draft(o).wait(LOOK_AGAIN)
    return _ran(o, ran[0]) if ran else _not_started(o, job, job.pods[-1])


def _template_changed(o: Observed) -> str:
    source = o.pod_source
    if not isinstance(source, PodSource):
        return source
    if source.hash != o.run.template_hash:
        return (
            f"{o.spec.source} was edited while the application was stopped: what was inspected is no longer what runs"
        )
    return ""


def _no_pod(o: Observed, job: JobSeen) -> Decision:
    if job.finished:
        return _unclear(o, "its Pod was deleted")
    trouble = without_pod(o, job)
    return _give_up(o, trouble, None) if trouble else draft(o).wait(LOOK_AGAIN)


def _not_started(o: Observed, job: JobSeen, pod: PodSeen) -> Decision:
    """The command was not seen running in this Pod: it is still to come, or given up, or certain never to run."""
    before = fingerprint_of(parse_result(pod.container(GATE).result))
    gate, guard, main = pod.container(GATE), pod.container(GUARD), pod.container(MAIN)
    if pod.ended and (gate.untold or guard.untold or main.untold):
        return _unclear(o, f"the kubelet does not know how far its Pod {pod.name} came", before)
    if gate.exit_code:
        result = parse_result(gate.result) or Result(False, "GateFailed", f"the gate ended with {gate.exit_code}")
        return fail(o, result.reason, f"the migration was not let start: {result.message}", result.hint or RETRY)
    if guard.restarts or (guard.exit_code and not main.start_failed):
        ended = Result(False, "GuardFailed", "the guard ended before the migration could start")
        result = parse_result(guard.last_result or guard.result) or ended
        if not pod.ended:
            return _give_up(o, result, before)
        return fail(o, result.reason, f"the migration was not let start: {result.message}", result.hint or RETRY)
    if main.start_failed:
        message = f"the command {o.spec.migration['command']} could not be started: {main.message}"
        return fail(o, "CommandNotFound", message, f"Correct migration.command or the image. {RETRY}")
    if trouble := stuck(o, job, pod):
        return _give_up(o, trouble, before)
    if pod.ended or pod.terminating:
        return _unclear(o, f"its Pod ended before it was seen running ({pod.reason or 'no reason given'})", before)
    return draft(o).wait(LOOK_AGAIN)


def _ran(o: Observed, pod: PodSeen) -> Decision:
    gate, guard, main = pod.container(GATE), pod.container(GUARD), pod.container(MAIN)
    before = o.run.before or fingerprint_of(parse_result(gate.result))
    if not o.run.started or o.run.before != before:
        return draft(o).run(started=True, before=before).wait(0.0)
    if not pod.ended:
        return draft(o).wait(LOOK_AGAIN)
    report = parse_result(guard.result)
    after = fingerprint_of(report)
    if guard.restarts or after is None or report is None:
        begun = draft(o).run(exit_code=_exit_code(pod))
        return begun.goto(Step.RECHECK, "the guard left no report: the database is read again").wait(0.0)
    why = pod.reason or main.reason
    return judge(o, Ended(before, after, _exit_code(pod), why, report.facts.get("lockWait"), pod.name))


def _exit_code(pod: PodSeen) -> int | None:
    """Return how the command ended; None where it was ended from outside with its Pod, which says nothing about it."""
    code = pod.container(MAIN).exit_code
    return None if pod.terminating and code in KILLED else code


def _give_up(o: Observed, trouble: Result, before: Fingerprint | None) -> Decision:
    """It has not run, but might in this very moment: its Job is ended first, then the database is read."""
    message = f"the migration was not run: {trouble.message}"
    failure = Failure(Step.MIGRATE, trouble.reason, message, trouble.hint or RETRY)
    begun = draft(o).run(failure=failure, before=o.run.before or before)
    return begun.goto(Step.RECHECK, f"{message}: its Job is ended").wait(0.0)


def _unclear(o: Observed, why: str, before: Fingerprint | None = None) -> Decision:
    """Nobody can say what the Pod did: its sessions are ended and the database is read again."""
    begun = draft(o).run(before=o.run.before or before)
    return begun.goto(Step.RECHECK, f"{why}: the database is read again").wait(0.0)
