"""The migration's own sessions, recognised from inside of its Pod.

Not every driver takes an application name, so they are told by the Pod's address, the role, the database, and by having
started after the guard did.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.database import fetch_all, fetch_one

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

_OURS = """
    a.datname = pg_catalog.current_database() AND a.usename = session_user
    AND a.client_addr IS NOT DISTINCT FROM pg_catalog.inet_client_addr()
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.backend_start > pg_catalog.to_timestamp(%s)
"""


@dataclass(frozen=True)
class LockWait:
    """One of our sessions waits for a lock: how long (seconds), and the first session that holds it."""

    waiter: int
    seconds: float
    pid: int
    application: str
    address: str

    def facts(self) -> dict[str, Any]:
        """For the result; what the holder runs is not shown, it may hold data."""
        return {
            "seconds": round(self.seconds, 1),
            "pid": self.pid,
            "application": self.application,
            "address": self.address,
        }


def server_time(connection: Connection) -> float:
    """Seconds since the epoch, by the server's clock."""
    query = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::float8"
    return float(fetch_one(connection, query, doing="asking for the time")[0])


def ours(connection: Connection, since: float) -> list[int]:
    """Process ids of our sessions that began after ``since`` (server time)."""
    query = f"SELECT a.pid FROM pg_catalog.pg_stat_activity a WHERE {_OURS} ORDER BY 1"  # noqa: S608
    return [row[0] for row in fetch_all(connection, query, (since,), doing="listing our sessions")]


def lock_waits(connection: Connection, since: float) -> list[LockWait]:
    """Which of our sessions wait for a lock, the longest first."""
    rows = fetch_all(
        connection,
        f"""
        SELECT w.pid, w.seconds, coalesce(b.pid, 0), coalesce(b.application_name, ''),
               coalesce(pg_catalog.host(b.client_addr), CASE WHEN b.pid IS NULL THEN '' ELSE 'hidden or local' END)
        FROM (
            SELECT a.pid, (pg_catalog.pg_blocking_pids(a.pid))[1] AS blocker,
                   coalesce((SELECT extract(epoch FROM pg_catalog.clock_timestamp() - min(l.waitstart))::float8
                             FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND NOT l.granted), 0) AS seconds
            FROM pg_catalog.pg_stat_activity a WHERE {_OURS} AND a.wait_event_type = 'Lock'
        ) w
        LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = w.blocker
        ORDER BY w.seconds DESC
        """,  # noqa: S608
        (since,),
        doing="looking for lock waits",
    )
    return [LockWait(*row) for row in rows]


def cancel(connection: Connection, pid: int) -> None:
    """Cancel what a session of ours runs."""
    fetch_one(connection, "SELECT pg_catalog.pg_cancel_backend(%s)", (pid,), doing="cancelling a blocked statement")


def end_all(connection: Connection, since: float, *, patience: float, limit: float) -> int:
    """Wait ``patience`` seconds for our sessions to end, then end them; returns how many are left after ``limit``."""
    begun = time.monotonic()
    while (left := ours(connection, since)) and time.monotonic() - begun < patience:
        time.sleep(0.1)
    while left and time.monotonic() - begun < limit:
        for pid in left:
            fetch_one(connection, "SELECT pg_catalog.pg_terminate_backend(%s)", (pid,), doing="ending our sessions")
        time.sleep(0.1)
        left = ours(connection, since)
    return len(left)
