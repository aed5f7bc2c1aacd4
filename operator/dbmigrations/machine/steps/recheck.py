"""Recheck: the migration's Pod left no report, so its sessions are ended and the database is read again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import command_ran, ensure_job, next_attempt, program_result
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, draft, step_deadline_passed
from dbmigrations.machine.effects import DeleteJob
from dbmigrations.machine.ending import go_back_to, hold
from dbmigrations.machine.judgement import Ended, judge
from dbmigrations.machine.results import Result, fingerprint_of

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint
    from dbmigrations.machine.observed import JobSeen, Observed


def recheck(o: Observed) -> Decision:
    """End what is left of the migration, read the database by a Job, judge as if the guard had reported it."""
    if o.run.failure and not o.run.started and command_ran(o):
        # Given up, it was started after all: its guard knows best.
        return draft(o).run(failure=None).goto(Step.MIGRATE, "the command was started after all").wait(0.0)
    for other in o.jobs:
        if other.run == o.run.id and other.live and other.name != _own_name(o):
            return _end(o, other)
    job = ensure_job(o, Step.RECHECK)
    if isinstance(job, Decision):
        return job
    result = job if isinstance(job, Result) else program_result(o, job, "inspect")
    if result is None:
        return draft(o).wait(LOOK_AGAIN)
    after = fingerprint_of(result)
    if result.ok and after is not None:
        return judge(o, Ended(_before(o, after), after, o.run.exit_code, "", None, ""))
    if not step_deadline_passed(o, o.settings.retry_for):
        return next_attempt(o, Step.RECHECK)
    return _cannot_tell(o, f"its Pod was lost, and the database cannot be read ({result.message})")


def _end(o: Observed, other: JobSeen) -> Decision:
    if step_deadline_passed(o, o.settings.retry_for):
        return _cannot_tell(o, f"Job {other.name} was deleted, but its Pod does not end (its node may be gone)")
    return draft(o).wait(1.0) if other.deleting else draft(o).do(DeleteJob(other.name))


def _cannot_tell(o: Observed, why: str) -> Decision:
    hint = f"{go_back_to(o.run)}. Make the database reachable, then set a new spec.retryToken: a new run takes over."
    return hold(o, "MigrationUnclear", f"nobody can say what the migration left: {why}", hint)


def _before(o: Observed, after: Fingerprint) -> Fingerprint | None:
    """Return what to compare with: the gate's look or, for a Pod given up before its gate, Inspect's.

    The application still wrote after Inspect, so that change counters say nothing then.
    """
    if o.run.before or o.run.planned is None or o.run.failure is None or o.run.started:
        return o.run.before
    return replace(o.run.planned, changes=after.changes, resets=after.resets)


def _own_name(o: Observed) -> str:
    attempt = o.run.attempts.get(Step.RECHECK)
    job = o.job(Step.RECHECK, attempt.number) if attempt else None
    return job.name if job else ""
