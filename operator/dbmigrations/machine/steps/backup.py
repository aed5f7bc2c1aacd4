"""Backup: no migration without a dump that was verified. A failed one costs a short outage, never data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.conditions import BACKUP_VERIFIED, TRUE
from dbmigrations.api.run import Step
from dbmigrations.machine.attempts import ensure_job, next_attempt, program_result
from dbmigrations.machine.decision import LOOK_AGAIN, Decision, draft
from dbmigrations.machine.ending import fail
from dbmigrations.machine.results import Result, backup_of
from dbmigrations.machine.steps.quiesce import scaled_up

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed

ATTEMPTS = 2
"""A lost Pod or an unreachable bucket is tried once more; the application waits for it."""


def backup(o: Observed) -> Decision:
    """Dump, upload, verify by a Job; then the migration may start."""
    if interference := scaled_up(o):
        return fail(o, "ScaledUpDuringBackup", interference, "Keep it from being scaled during migrations.")
    job = ensure_job(o, Step.BACKUP)
    if isinstance(job, Decision):
        return job
    result = job if isinstance(job, Result) else program_result(o, job, "backup")
    if result is None:
        return draft(o).wait(LOOK_AGAIN)
    if result.ok:
        return _backed_up(o, result)
    if result.transient and o.run.attempts[Step.BACKUP].number < ATTEMPTS:
        return next_attempt(o, Step.BACKUP)
    return fail(o, result.reason, f"no verified backup: {result.message}", result.hint)


def _backed_up(o: Observed, result: Result) -> Decision:
    taken = backup_of(result)
    if not taken.verified:
        return fail(o, "BackupNotVerified", f"the dump {taken.uri} was taken, but not verified", "This is a bug.")
    message = f"{taken.uri}: {taken.size_bytes / 1e6:.1f} MB, SHA-256 {taken.sha256[:12]}…, verified by {taken.verify}"
    if taken.note:
        message += f" ({taken.note})"
    begun = draft(o).run(backup=taken)
    return begun.set(BACKUP_VERIFIED, TRUE, "Verified", message).goto(Step.MIGRATE).wait(0.0)
