"""From what was observed to one decision: a chain of guards in order of priority, then the step that the run is in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import seconds_between
from dbmigrations.api.run import Step
from dbmigrations.machine.decision import Decision, draft
from dbmigrations.machine.deletion import abort, explain_stopped, released
from dbmigrations.machine.effects import CleanUp, DeleteJob, RemoveFinalizer
from dbmigrations.machine.starting import follow_generation, restart_on_new_template, start_run
from dbmigrations.machine.steps.backup import backup
from dbmigrations.machine.steps.check import check
from dbmigrations.machine.steps.compare import compare_real
from dbmigrations.machine.steps.inspect import inspect
from dbmigrations.machine.steps.migrate import migrate
from dbmigrations.machine.steps.probe import probe
from dbmigrations.machine.steps.quiesce import quiesce
from dbmigrations.machine.steps.recheck import recheck
from dbmigrations.machine.steps.rehearse import rehearse
from dbmigrations.machine.steps.resume import put_back, resume, resume_rest

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrations.machine.observed import Observed

LONGEST_END = 120.0
"""Seconds for which an ended run waits for Pods that were asked to end: those of a lost node never do."""

STEPS: dict[Step, Callable[[Observed], Decision]] = {
    Step.INSPECT: inspect,
    Step.REHEARSE: rehearse,
    Step.COMPARE: compare_real,
    Step.CHECK: check,
    Step.QUIESCE: quiesce,
    Step.BACKUP: backup,
    Step.MIGRATE: migrate,
    Step.RECHECK: recheck,
    Step.RESUME: resume,
    Step.PROBE: probe,
    Step.RESUME_REST: resume_rest,
    Step.PUT_BACK: put_back,
}


def decide(o: Observed) -> Decision:
    """Return what to do now. Never raises for anything that a user or a cluster can cause."""
    for guard in GUARDS:
        decision = guard(o)
        if decision is not None:
            return decision
    raise AssertionError("the last guard always decides")


def hand_over(o: Observed) -> Decision | None:
    """A run that ended gives its Jobs to the resource and lets go of it: nothing is left to undo."""
    if o.run.active:
        return None
    left = [job for job in o.jobs if job.live or not job.owned]
    refused = o.problem is not None and not o.problem.passing
    if any(not job.deleting for job in left) and not refused:
        return draft(o).do(CleanUp())
    if left and seconds_between(o.run.finished_at, o.now) < LONGEST_END:
        return draft(o).wait(1.0)
    if not o.has_finalizer:
        return None
    return explain_stopped(o) or draft(o).do(RemoveFinalizer())


def at_rest(o: Observed) -> Decision | None:
    """A run that ended, and a specification that asks for nothing else: a fixed point, which writes nothing."""
    return None if o.run.active else Decision(o.status)


def strays(o: Observed) -> Decision | None:
    """Jobs of an earlier run that still do something are ended before this run does anything."""
    for job in o.jobs:
        if job.run != o.run.id and job.live:
            if not job.deleting:
                return draft(o).do(DeleteJob(job.name))
            return draft(o).doing(o.status.phase, f"waiting: Job {job.name} of an earlier run has to end").wait(1.0)
    return None


def in_step(o: Observed) -> Decision | None:
    """Go on where the run is."""
    return STEPS[o.run.step](o)


GUARDS: tuple[Callable[[Observed], Decision | None], ...] = (
    released,  # being deleted, and nothing of ours holds it
    start_run,  # before anything else, so that the very first write says Reconciling
    abort,  # being deleted in the middle of a run
    hand_over,  # a run that ended leaves nothing behind
    follow_generation,  # an edit that means the same
    at_rest,  # nothing to do
    strays,  # two runs never work at the same time
    restart_on_new_template,  # the application's surroundings changed before it was stopped
    in_step,
)
