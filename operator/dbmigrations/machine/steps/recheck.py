"""Recheck: the migration's Pod left no report, so its sessions are ended and the database is read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import ensure_job, next_attempt, program_result
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, draft, step_deadline_passed
from dbmigrations.machine.effects import DeleteJob
from dbmigrations.machine.ending import go_back_to, hold
from dbmigrations.machine.judgement import Ended, judge
from dbmigrations.machine.results import Result, fingerprint_of

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed


def recheck(o: Observed) -> Decision:
    """End what is left of the migration, read the database by a Job, judge as if the guard had reported it."""
    for other in o.jobs:
        if other.run == o.run.id and other.live and other.name != _own_name(o):
            return draft(o).wait(1.0) if other.deleting else draft(o).do(DeleteJob(other.name))
    job = ensure_job(o, Step.RECHECK)
    if isinstance(job, Decision):
        return job
    result = job if isinstance(job, Result) else program_result(o, job, "inspect")
    if result is None:
        return draft(o).wait(LOOK_AGAIN)
    after = fingerprint_of(result)
    if result.ok and after is not None:
        return judge(o, Ended(o.run.before, after, o.run.exit_code, "", None, ""))
    if not step_deadline_passed(o, o.settings.retry_for):
        return next_attempt(o, Step.RECHECK)
    message = (
        f"nobody can say what the migration left: its Pod was lost, and the database cannot be read ({result.message})"
    )
    hint = f"{go_back_to(o.run)}. Make the database reachable, then set a new spec.retryToken: a new run takes over."
    return hold(o, "MigrationUnclear", message, hint)


def _own_name(o: Observed) -> str:
    attempt = o.run.attempts.get(Step.RECHECK)
    job = o.job(Step.RECHECK, attempt.number) if attempt else None
    return job.name if job else ""
