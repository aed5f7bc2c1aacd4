"""report: what the rehearsed command did, told by the scratch server.

It stands beside the command without any credentials. At SIGTERM, or when the time for the rehearsal is over, it reads
the scratch server's log, version rows and schema. It never ends by itself: a sidecar that ends is started again. One
that was started again simply works, since nothing is remembered outside of the server and its log.
"""

from __future__ import annotations

import json
import secrets
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from dbmigrations.runner import (
    canonical,
    classify,
    ddl_events,
    fingerprint,
    functions,
    load,
    pgtools,
    plan_files,
    result,
    scratch,
    scratch_settings,
    scratch_versions,
    server_log,
)
from dbmigrations.runner.errors import DatabaseError, RehearsalError, RunnerError
from dbmigrations.runner.plan import Plan
from dbmigrations.runner.plan_text import one_line
from dbmigrations.runner.scratch_database import Locale

if TYPE_CHECKING:
    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.database import Connection

AFTER = "after.sql"
# A session ends with its client; one that does not is ended.
_PATIENCE_SECONDS = 5.0
_LIMIT_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class _Loaded:
    """What `load` left: the copy as it was before the command."""

    schema: str
    revisions: list[str]
    version_table: list[int] | None
    locale: Locale


def run(context: Context) -> dict[str, Any]:
    """Wait for the end of the command, then report. Raises RunnerError, RehearsalTimeout among them."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    rehearsal = context.config.rehearsal
    assert rehearsal is not None
    context.log.step("report", "watching; the command may run", seconds=rehearsal.timeout_seconds)
    if stop.wait(rehearsal.timeout_seconds):
        return _collect(context, rehearsal, _PATIENCE_SECONDS)[0]
    late = _late(context, rehearsal)
    # At once: whoever ends the Pod may not leave the time for it.
    result.deliver(result.failure(late, context.log.redactor))
    while not stop.wait(1.0):
        try:
            _end_sessions(rehearsal, 0.0)
        except RunnerError as error:
            context.log.step("report", "the command's sessions could not be ended", reason=error.reason)
    raise late


def _late(context: Context, rehearsal: Rehearsal) -> RehearsalError:
    seconds = f"{rehearsal.timeout_seconds:.0f} s"
    context.log.step("report", f"the command did not end within {seconds}")
    hint = "Look at its log; raise the operator's setting rehearsalSeconds if the migration really takes that long."
    try:
        facts, plan = _collect(context, rehearsal, 0.0)
    except RunnerError as error:
        said = f"The command did not end within {seconds}, and its report could not be made: {error.message}"
        return RehearsalError("RehearsalTimeout", said, hint)
    last = one_line(plan.last_statement, 200) or "none"
    said = f"The command did not end within {seconds}. Its last statement on the copy: {last}"
    return RehearsalError("RehearsalTimeout", said, hint, facts=facts)


def _collect(context: Context, rehearsal: Rehearsal, patience: float) -> tuple[dict[str, Any], Plan]:
    """The facts. Raises RunnerError; that the server is gone is its own reason, not that the database is."""
    try:
        return _read(context, rehearsal, patience)
    except DatabaseError as error:
        if not error.transient:
            raise
        raise RehearsalError(
            "ScratchFailed",
            f"The scratch server does not answer any more: {error.message}",
            "Look at the log of the container scratch: it may have had too little memory or disk space.",
            transient=True,
        ) from None


def _read(context: Context, rehearsal: Rehearsal, patience: float) -> tuple[dict[str, Any], Plan]:
    folder = Path(rehearsal.folder)
    loaded = _read_loaded(folder)
    table = context.config.version_table
    left = _end_sessions(rehearsal, patience)
    context.log.step("report", "the command's sessions have ended", left=left)
    with scratch.session(rehearsal, rehearsal.database, "report") as server:
        ddl_events.remove(server)
        mark = secrets.token_hex(8)
        _set_mark(server, mark)
        versions, scans = scratch_versions.read(server, rehearsal, table)
        volatile = functions.volatile(server)
        invalid = fingerprint.invalid_indexes(server)
        major = server.info.server_version // 10000
    after = canonical.of_database(rehearsal, rehearsal.database, loaded.locale, pgtools.choose(major), folder / AFTER)
    difference, cut = plan_files.difference(folder / load.BEFORE, folder / AFTER)
    plan = Plan(table, plan_files.PLAN_BYTES - len(difference.encode()), volatile)
    for event in server_log.events(folder / scratch_settings.LOG_FILE, mark):
        plan.feed(event)
    commits, revisions = plan.transactions.summary(), sorted(versions.revisions)
    header = [
        f"database {rehearsal.database}: {_named(loaded.revisions)} -> {_named(revisions)}",
        f"as carried out on a copy of the schema; commits: {commits}",
    ]
    printed = plan_files.print_files({"statements.sql": plan.text.finish(header), "schema.diff": difference})
    return {
        "revisions": revisions,
        "versionTableExists": versions.exists,
        "versionTableRead": scratch_versions.was_read(loaded.version_table, scans) or plan.names_version_table,
        "connected": plan.connected,
        "statements": plan.text.statements,
        "transactions": len(plan.transactions.committed),
        "commits": commits,
        "schema": after,
        "schemaChanged": after != loaded.schema,
        "error": plan.error.facts() if plan.error else None,
        "plan": {**printed, "truncated": plan.text.incomplete or cut},
        "invalidIndexes": invalid[: fingerprint.NAMED_INDEXES],
    }, plan


def _named(revisions: list[str]) -> str:
    return ", ".join(revisions) or "no version"


def _read_loaded(folder: Path) -> _Loaded:
    try:
        raw = json.loads((folder / load.LOADED).read_text())
        return _Loaded(raw["schema"], raw["revisions"], raw["versionTable"], Locale(**raw["locale"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RehearsalError(
            "ScratchFailed",
            f"What was loaded into the scratch server is not known any more: {type(error).__name__}.",
            "Rehearse again (spec.retryToken).",
        ) from None


def _set_mark(server: Connection, mark: str) -> None:
    """The end of what counts, written to the server's log."""
    try:
        server.execute(f"DO $$ BEGIN RAISE LOG '%', '{server_log.END_MARK}{mark}'; END $$".encode())
    except psycopg.Error as error:
        raise classify.running(error, "ending the statement log") from None


def _end_sessions(rehearsal: Rehearsal, patience: float) -> int:
    """Wait for the command's sessions to end, then end them; returns how many are left.

    They write their last statistics, and the last lines of the log, as they end.
    """
    begun = time.monotonic()
    with scratch.session(rehearsal, "template1", "report") as server:
        while (left := load.sessions(server)) and time.monotonic() - begun < patience:
            time.sleep(_POLL_SECONDS)
        while left and time.monotonic() - begun < patience + _LIMIT_SECONDS:
            _terminate(server)
            time.sleep(_POLL_SECONDS)
            left = load.sessions(server)
    return left


def _terminate(server: Connection) -> None:
    query = b"""
        SELECT pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
    """
    try:
        server.execute(query)
    except psycopg.Error as error:
        raise classify.running(error, "ending the command's sessions") from None
