"""guard: next to the migration, as long as it runs.

It holds the lock, lets the application's container start by creating a file, watches for lock waits, and at SIGTERM
sees the migration's sessions off and says what the database is then. It never ends by itself once it is armed.

A guard that was restarted finds the first one's file and never arms: nobody knows what happened in between. It ends the
migration's sessions and waits for its own end; the operator does not count such an outcome.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import advisory, database, fingerprint, pgtools, watch
from dbmigrations.runner.errors import DatabaseError, GuardError, RunnerError

if TYPE_CHECKING:
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.database import Connection
    from dbmigrations.runner.watch import LockWait

FOLDER_VARIABLE = "DBM_RUN_DIR"
_FOLDER = "/dbm-run"
LOCK_DEADLINE_VARIABLE = "DBM_LOCK_DEADLINE_SECONDS"
_LOCK_DEADLINE_SECONDS = 60.0
_POLL_SECONDS = 0.25
# Sessions end by themselves when their client does; after this they are ended.
_PATIENCE_SECONDS = 2.0
_LIMIT_SECONDS = 15.0
_RECONNECT_SECONDS = 15.0
# The driver's own lock timeout comes first where it has one.
_LOCK_MARGIN_SECONDS = 1.0
_SCHEMA_SECONDS = 60.0


@dataclass
class _State:
    """What happened while we watched."""

    since: float
    lock_wait: LockWait | None = None
    lock_lost: bool = False
    cancelled: int = 0
    seen: set[int] = field(default_factory=set)


def run(context: Context) -> dict[str, Any]:
    """Guard one migration; returns the final facts after SIGTERM. Raises RunnerError if it could not arm."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda _number, _frame: stop.set())
    folder = Path(os.environ.get(FOLDER_VARIABLE, _FOLDER))
    if (folder / "guard-started").exists():
        _park(context, folder, stop)
    (folder / "guard-started").touch()
    with database.session(context.target, "guard") as connection:
        _lock(context, connection, stop)
        state = _State(watch.server_time(connection))
        _arm(folder, state)
        context.log.step("guard", "armed: the migration may start")
        connection = _watch(context, connection, state, stop)
        try:
            return _conclude(context, connection, state)
        finally:
            connection.close()


def _lock(context: Context, connection: Connection, stop: threading.Event) -> None:
    seconds = float(os.environ.get(LOCK_DEADLINE_VARIABLE, _LOCK_DEADLINE_SECONDS))
    deadline = time.monotonic() + seconds
    said = ""
    while not advisory.try_lock(connection):
        holder = advisory.holder(connection) or "somebody who has just let go"
        if holder != said:
            context.log.step("lock", "waiting for the lock", holder=holder)
            said = holder
        if time.monotonic() > deadline:
            raise GuardError(
                "LockHeld",
                f"Another migration of this database is running: {holder} holds its lock, and did for {seconds:.0f} s.",
                "Wait for it, or end that session; then start a new run (spec.retryToken).",
                facts={"holder": holder},
            )
        if stop.wait(_POLL_SECONDS):
            raise GuardError("Interrupted", "The guard was told to stop before it had the lock.", transient=True)


def _arm(folder: Path, state: _State) -> None:
    """In one step: a restarted guard must find the whole of it or nothing."""
    draft = folder / "armed.new"
    draft.write_text(json.dumps({"since": state.since}))
    draft.rename(folder / "armed")


def _watch(context: Context, connection: Connection, state: _State, stop: threading.Event) -> Connection:
    """Look until SIGTERM; returns the connection that is then open, which can be a new one."""
    while not stop.wait(_POLL_SECONDS):
        try:
            _look(context, connection, state)
        except DatabaseError as error:
            if not connection.closed and not connection.broken:
                context.log.step("watch", "a look failed", reason=error.reason, problem=error.message)
                continue
            state.lock_lost = True
            context.log.step("lock", "the session that held the lock is gone", problem=error.message)
            connection.close()
            connection = _reconnect(context, stop) or connection
            if connection.closed:
                break
    return connection


def _look(context: Context, connection: Connection, state: _State) -> None:
    state.seen.update(watch.ours(connection, state.since))
    allowed = context.config.lock_timeout_seconds
    for wait in watch.lock_waits(connection, state.since):
        if state.lock_wait is None or wait.seconds > state.lock_wait.seconds:
            state.lock_wait = wait
        if allowed and wait.seconds > allowed + _LOCK_MARGIN_SECONDS:
            context.log.step("watch", "cancelling a statement that waits for a lock for too long", **wait.facts())
            watch.cancel(connection, wait.waiter)
            state.cancelled += 1


def _reconnect(context: Context, stop: threading.Event) -> Connection | None:
    """A new session with the lock if it is free; None once we are told to stop."""
    while not stop.wait(_POLL_SECONDS):
        try:
            connection = database.connect(context.target, "guard")
        except DatabaseError as error:
            context.log.step("watch", "the database is away", reason=error.reason)
            stop.wait(1.0)
            continue
        if not advisory.try_lock(connection):
            context.log.step("lock", "somebody else has the lock now", holder=advisory.holder(connection))
        return connection
    return None


def _conclude(context: Context, connection: Connection, state: _State) -> dict[str, Any]:
    """End our sessions and read what is there now. Raises DatabaseError if the database is away."""
    config = context.config
    facts: dict[str, Any] = {
        "lockWait": state.lock_wait.facts() if state.lock_wait else None,
        "lockLost": state.lock_lost,
        "cancelled": state.cancelled,
        "sessionsSeen": len(state.seen),
    }
    try:
        if connection.closed:
            connection = _connect_patiently(context)
        state.seen.update(watch.ours(connection, state.since))
        facts["sessionsSeen"] = len(state.seen)
        facts["sessionsLeft"] = watch.end_all(connection, state.since, patience=_PATIENCE_SECONDS, limit=_LIMIT_SECONDS)
        context.log.step("guard", "our sessions have ended", left=facts["sessionsLeft"])
        facts["fingerprint"] = fingerprint.take(
            connection,
            context.target,
            pgtools.choose(connection.info.server_version // 10000),
            program="guard",
            version_table=config.version_table,
            timeout_seconds=_SCHEMA_SECONDS,
        ).facts()
    except RunnerError as error:
        error.facts.update(facts)
        raise
    return facts


def _connect_patiently(context: Context) -> Connection:
    deadline = time.monotonic() + _RECONNECT_SECONDS
    while True:
        try:
            return database.connect(context.target, "guard")
        except DatabaseError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1.0)


def _park(context: Context, folder: Path, stop: threading.Event) -> None:
    """The life of a guard that is not the first. Never returns: raises GuardError, at SIGTERM if the migration started.

    If it did not start, it never will, and there is nothing to watch. The guard then ends at once: the kubelet waits
    for its postStart hook, which waits for the armed file, and until then would not even delete the Pod.
    """
    log = context.log
    log.step("guard", "restarted: it does not arm")
    armed = folder / "armed"
    facts: dict[str, Any] = {"restarted": True}
    while armed.exists() and not stop.is_set():
        try:
            since = float(json.loads(armed.read_text())["since"])
            with database.session(context.target, "guard") as connection:
                facts["sessionsLeft"] = watch.end_all(connection, since, patience=0, limit=_LIMIT_SECONDS)
        except RunnerError as error:
            log.step("guard", "our sessions could not be ended yet", reason=error.reason)
        # The migration's process may open another session.
        stop.wait(1.0)
    raise GuardError(
        "GuardRestarted",
        "The guard was restarted: what the migration did meanwhile was not watched.",
        "The database is inspected to find out what is there.",
        facts=facts,
    )
