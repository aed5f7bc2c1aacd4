"""Check: the last look before anybody is disturbed. Quotas, Pod Security, policies refuse here, not in the outage."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.clock import from_text, to_micro
from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import refused
from dbmigrations.machine.decision import Decision, draft
from dbmigrations.machine.effects import AddFinalizer, DryRun
from dbmigrations.machine.ending import fail, finish_planned
from dbmigrations.machine.pods import missing_reason
from dbmigrations.machine.rehearsal import in_words
from dbmigrations.machine.results import Result
from dbmigrations.machine.steps.inspect import originals, preconditions
from dbmigrations.manifests.source import PodSource

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed


def check(o: Observed) -> Decision:
    """Dry-run every later Job and its Pod, take hold of the resource, then write down what will be stopped.

    A dry run of the migration (spec.dryRun) ends here, whatever was done before: nothing is touched until now.
    """
    if problem := preconditions(o):
        # It was there when Inspect began: what is gone by now would be missed only after the migration.
        return fail(o, *problem, "Correct the manifest, or create it again and set a new spec.retryToken.")
    if o.dry_run_of != o.run.id:
        return _dry_run(o)
    if o.live.dry_run:
        return finish_planned(draft(o), _planned(o))
    if not o.has_finalizer:
        refusal = refused(o, "the finalizer that guards the application", "FinalizerRefused")
        if isinstance(refusal, Result):
            return fail(o, refusal.reason, refusal.message, refusal.hint)
        return refusal or draft(o).do(AddFinalizer())
    # Originals are in the status before anything is scaled down.
    begun = draft(o).run(workloads=originals(o), old_image=_image(o))
    if o.spec.online:
        return begun.goto(Step.BACKUP if o.spec.backup else Step.MIGRATE).wait(0.0)
    running = [f"{seen.ref} ({seen.replicas} -> 0)" for seen in o.workloads if seen.replicas]
    begun = begun.run(down_since=to_micro(o.now)) if running else begun
    words = f"stopping {', '.join(running)}" if running else "nothing runs that must be stopped"
    return begun.goto(Step.QUIESCE, words).wait(0.0)


def _planned(o: Observed) -> str:
    seen = in_words(o.run) if o.run.plan else "inspected only (rehearsal.mode: Skip)"
    return f"dry run: {seen}. Nothing was touched; spec.dryRun: false starts the real run"


def _image(o: Observed) -> str:
    """Return the image to be replaced: what runs now, if somebody changed it since the run began.

    Where that is the new one already, the others may still run the one from before.
    """
    source = o.pod_source
    if isinstance(source, PodSource) and source.image != o.spec.image:
        return source.image
    return o.run.old_image


def _dry_run(o: Observed) -> Decision:
    if o.problem is None:
        return draft(o).do(DryRun())
    words = f"the API server would not take a Pod of this run: {o.problem.message}"
    if o.problem.passing and o.now < from_text(o.run.retry_until):
        return draft(o).doing("Checking", f"{words} (trying again until {o.run.retry_until})").wait(5.0)
    hint = "Allow it in this namespace, then set a new spec.retryToken."
    return fail(o, missing_reason(o.problem.message, "PodRefused"), words, hint)
