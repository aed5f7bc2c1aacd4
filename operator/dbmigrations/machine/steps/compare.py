"""Compare: after the rehearsal the real database must be what it was; then the run goes on, or says why not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dbmigrations.api.clock import from_text
from dbmigrations.api.conditions import FALSE, REHEARSED, TRUE
from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import ensure_job, next_attempt, program_result, refused
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, Draft, draft
from dbmigrations.machine.effects import KeepPlan
from dbmigrations.machine.ending import fail, finish_failed
from dbmigrations.machine.rehearsal import in_words, nothing_to_do
from dbmigrations.machine.results import Result, fingerprint_of
from dbmigrations.machine.steps.inspect import already_there
from dbmigrations.machine.versions import for_people, in_full

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint, Plan
    from dbmigrations.machine.observed import Observed

ALARM = (
    "Find out what connects to the database by an address of its own (the image's files and settings), and whether "
    "the database is what it should be, before anything else. Then set a new spec.retryToken."
)


def compare_real(o: Observed) -> Decision:
    """Keep the plan, read the real version and schema again by a Job, then go on."""
    plan, planned = o.run.plan, o.run.planned
    if planned is None:
        raise ValueError("nothing was inspected")
    # Without a plan the rehearsal was lost, but its command may have run.
    if plan is not None and not plan.config_maps:
        return _keep(o, plan)
    job = ensure_job(o, Step.COMPARE)
    if isinstance(job, Decision):
        return job
    result = job if isinstance(job, Result) else program_result(o, job, "inspect")
    if result is None:
        return draft(o).wait(LOOK_AGAIN)
    now = fingerprint_of(result)
    if result.ok and now is not None:
        return _compared(o, planned, now)
    if result.transient and o.now < from_text(o.run.retry_until):
        retry = next_attempt(o, Step.COMPARE)
        words = f"{result.reason}: {result.message} (trying again until {o.run.retry_until})"
        return Draft(o, retry.status).doing("Comparing", words).wait(retry.requeue or LOOK_AGAIN)
    return fail(o, result.reason, f"the database could not be read after the rehearsal: {result.message}", result.hint)


def _keep(o: Observed, plan: Plan) -> Decision:
    if o.plan_kept is not None:
        return draft(o).run(plan=replace(plan, config_maps=o.plan_kept)).wait(0.0)
    refusal = refused(o, "to keep the plan in ConfigMaps", "PlanNotKept")
    if isinstance(refusal, Result):
        return fail(o, refusal.reason, refusal.message, refusal.hint)
    return refusal or draft(o).do(KeepPlan(plan.pod))


def _compared(o: Observed, planned: Fingerprint, now: Fingerprint) -> Decision:
    if what := _touched(planned, now):
        message = (
            f"{what} of the REAL database changed while the migration was rehearsed on a copy: the image reached it, "
            f"or somebody else migrated it in these seconds"
        )
        return fail(o, "RealDatabaseTouched", message, ALARM)
    if failure := o.run.failure:
        return finish_failed(draft(o).set(REHEARSED, FALSE, failure.reason, failure.message))
    words = in_words(o.run)
    begun = draft(o).set(REHEARSED, TRUE, "Rehearsed", words)
    if nothing_to_do(o.run):
        return already_there(o, begun, planned)
    if o.run.plan:
        begun = begun.run(to=for_people(o.run.plan.revisions))
    return begun.goto(Step.CHECK).wait(0.0)


def _touched(planned: Fingerprint, now: Fingerprint) -> str:
    if set(planned.revisions) != set(now.revisions):
        return f"the version ({in_full(planned.revisions)} before, {in_full(now.revisions)} now)"
    return "the schema" if planned.schema != now.schema else ""
