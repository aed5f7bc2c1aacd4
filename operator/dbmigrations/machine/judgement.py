"""What an ended migration means: reached, unchanged (the application comes back), or changed (it stays stopped)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.api.conditions import FALSE, MIGRATED, SCHEMA_CLEAN, TRUE
from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import next_attempt
from dbmigrations.machine.decision import Decision, Draft, draft
from dbmigrations.machine.ending import fail, go_back_to, hold
from dbmigrations.machine.unchanged import Verdict, compare
from dbmigrations.machine.versions import at_target, for_people, in_full

if TYPE_CHECKING:
    from dbmigrations.api.run import Fingerprint
    from dbmigrations.machine.observed import Observed


@dataclass(frozen=True)
class Ended:
    """A migration that ended. `exit_code` is None where nobody saw it; `lock_wait` is the guard's longest."""

    before: Fingerprint | None
    after: Fingerprint
    exit_code: int | None
    reason: str
    lock_wait: dict[str, Any] | None
    pod: str


def judge(o: Observed, ended: Ended) -> Decision:
    """Decide by what the database says, and by the exit code only where the database cannot tell."""
    begun = draft(o).run(after=ended.after, to=for_people(ended.after.revisions), exit_code=ended.exit_code)
    begun = _indexes(begun, ended)
    verdict, what = compare(ended.before, ended.after)
    reached = _reached(o, ended.after.revisions)
    if ended.exit_code == 0 and (reached or (o.run.plan is None and not o.spec.named_target)):
        return _migrated(o, begun, ended, verdict)
    if ended.exit_code is None and reached:
        return _migrated(o, begun, ended, verdict)
    if verdict is Verdict.UNCHANGED:
        return _unchanged(o, begun, ended)
    return _changed(o, begun, ended, verdict, what)


def _reached(o: Observed, revisions: tuple[str, ...]) -> bool:
    """Tell whether the version is the rehearsed one or, where nothing was rehearsed, the one that the target names."""
    if o.run.plan is None:
        return at_target(o.spec, revisions)
    return set(revisions) == set(o.run.plan.revisions)


def _migrated(o: Observed, begun: Draft, ended: Ended, verdict: Verdict) -> Decision:
    reached = in_full(ended.after.revisions)
    words = f"the version table says {reached}" + (", as rehearsed" if o.run.plan else "")
    if ended.exit_code is None:
        words += "; the Pod was lost before its exit code was seen"
        begun = begun.run(failure=None)
    if verdict is Verdict.UNCHANGED:
        words += f"; the command ended with 0 and changed nothing (target {o.spec.target})"
    reason = "NothingChanged" if verdict is Verdict.UNCHANGED else "TargetReached"
    return begun.set(MIGRATED, TRUE, reason, words).goto(Step.RESUME).wait(0.0)


def _unchanged(o: Observed, begun: Draft, ended: Ended) -> Decision:
    wait = ended.lock_wait
    if wait and ended.exit_code and wait.get("seconds", 0) >= _seen_at_least(o.spec.lock_timeout) > 0:
        return _lock_timeout(o, begun, wait)
    logs = _logs(o, ended)
    if ended.exit_code == 0:
        message = (
            f"the command ended with 0, but the database is not at {o.spec.target}: it is unchanged, at "
            f"{in_full(ended.after.revisions)}. Either the command looked at another database, or the target is older"
        )
        return fail(o, "TargetNotReached", message, f"Read {logs}; check connectionEnv and target.", start=begun)
    if ended.exit_code is None and o.run.failure:
        given_up = o.run.failure
        return fail(o, given_up.reason, given_up.message, given_up.hint, start=begun)
    reason, how = _how(ended)
    message = f"{how}; the database is unchanged, at {in_full(ended.after.revisions)}"
    return fail(o, reason, message, f"Read {logs}, correct the cause, then set a new spec.retryToken.", start=begun)


def _seen_at_least(limit: float) -> float:
    """Return for how many seconds the guard, which looks four times a second, saw a wait that ran into the limit.

    Its last look is a poll and a query before the end: half a second, which is much of a short limit.
    """
    return min(0.8 * limit, limit - 0.5)


def _lock_timeout(o: Observed, begun: Draft, wait: dict[str, Any]) -> Decision:
    blocker = f"{wait.get('application') or 'a session'}@{wait.get('address') or 'local'} (pid {wait.get('pid')})"
    message = f"a lock was not granted within {o.spec.lock_timeout} s: {blocker} holds it; the database is unchanged"
    attempt = o.run.attempts[Step.MIGRATE].number
    if attempt > o.spec.lock_retries:
        return fail(o, "LockTimeout", message, "End that session, or migrate when it is gone.", start=begun)
    retry = next_attempt(o, Step.MIGRATE)
    if retry.status.run is None:
        raise ValueError("no run")
    begun = begun.run(attempts=retry.status.run.attempts, started=False, before=None, exit_code=None)
    words = f"attempt {attempt}: {message}"
    return begun.note("Warning", "LockTimeout", words).doing("Migrating", words).wait(retry.requeue or 1.0)


def _changed(o: Observed, begun: Draft, ended: Ended, verdict: Verdict, what: str) -> Decision:
    how = _how(ended)[1]
    state = "WAS CHANGED" if verdict is Verdict.CHANGED else "MAY HAVE BEEN CHANGED"
    message = f"{how}, and the database {state} ({what}): it is at {in_full(ended.after.revisions)} now. " + (
        "The application runs on, on a schema that may not be its own (strategy: Online)"
        if o.spec.online
        else "The application is not started, because no version of it is known to fit this schema"
    )
    hint = (
        f"Why it failed: {_logs(o, ended)}. {go_back_to(o.run)}. Either correct the migration and apply a manifest "
        f"with the corrected image: its run goes on from here and starts the application; or restore that dump and "
        f"set a new spec.retryToken."
    )
    reason = "MigrationFailedHalfway" if verdict is Verdict.CHANGED else "MigrationUnclear"
    return hold(o, reason, message, hint, start=begun)


def _logs(o: Observed, ended: Ended) -> str:
    return f"kubectl logs -n {o.resource.namespace} {ended.pod} -c migrate" if ended.pod else "the Pod's log, if kept"


def _how(ended: Ended) -> tuple[str, str]:
    if ended.exit_code is None:
        return "MigrationLost", "the migration's Pod was lost"
    if ended.reason == "DeadlineExceeded":
        return "MigrationTimeout", "the migration did not end within migration.timeout and was ended"
    if ended.reason == "OOMKilled":
        return "OOMKilled", "the migration was killed: out of memory (see migration.resources)"
    if ended.reason == "Evicted":
        return "MigrationEvicted", "the migration's Pod was evicted"
    return "MigrationFailed", f"the migration's command ended with {ended.exit_code}"


def _indexes(begun: Draft, ended: Ended) -> Draft:
    known = set(ended.before.invalid_indexes) if ended.before else set()
    new = [name for name in ended.after.invalid_indexes if name not in known]
    if not new:
        return begun.set(SCHEMA_CLEAN, TRUE, "NoInvalidIndexes", "the migration left no invalid index")
    repair = "; ".join(f"REINDEX INDEX CONCURRENTLY {name}" for name in new)
    words = f"the migration left invalid indexes, which are maintained but never used. Repair: {repair}"
    return begun.set(SCHEMA_CLEAN, FALSE, "InvalidIndexes", words)
