"""Sessions of others: who is connected, who holds a transaction open, and ending those that are ours."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.database import APPLICATION_PREFIX, fetch_all
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrations.runner.config import SessionRules
    from dbmigrations.runner.database import Connection

POLL_SECONDS = 0.25


@dataclass(frozen=True)
class Session:
    """One session of the same database."""

    pid: int
    application: str
    address: str

    def __str__(self) -> str:
        return f"{self.application or 'unnamed'}@{self.address}"


def foreign(connection: Connection, ignore: tuple[str, ...]) -> list[Session]:
    """Client sessions of this database other than the runner's own and those of the ``ignore``d application names."""
    # Without pg_read_all_stats a role sees no backend_type and no address of other roles' sessions: background workers
    # are then told apart by having no user, replication by its own view.
    rows = fetch_all(
        connection,
        """
        SELECT a.pid, coalesce(a.application_name, ''),
               coalesce(pg_catalog.host(a.client_addr), CASE WHEN a.backend_type IS NULL THEN 'hidden' ELSE 'local' END)
        FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.usesysid IS NOT NULL AND coalesce(a.backend_type, 'client backend') = 'client backend'
          AND NOT (coalesce(a.backend_type, '') = '' AND a.pid IN (SELECT pid FROM pg_catalog.pg_stat_replication))
          AND NOT coalesce(a.application_name, '') = ANY (%s)
          AND NOT (pg_catalog.starts_with(coalesce(a.application_name, ''), %s)
                   AND a.client_addr IS NOT DISTINCT FROM pg_catalog.inet_client_addr())
        ORDER BY a.pid
        """,
        (list(ignore), APPLICATION_PREFIX),
        doing="listing the sessions",
    )
    return [Session(*row) for row in rows]


def wait_until_alone(connection: Connection, rules: SessionRules, waiting: Callable[[list[Session]], None]) -> None:
    """Return once no foreign session is left. Raises DatabaseError (ForeignSessions) after the time limit.

    ``waiting`` is called with the sessions each time that the list has changed.
    """
    deadline = time.monotonic() + rules.timeout_seconds
    seen: list[Session] = []
    while found := foreign(connection, rules.ignore):
        if found != seen:
            waiting(found)
            seen = found
        if time.monotonic() >= deadline:
            raise foreign_sessions(found, f"after {rules.timeout_seconds:.0f} s")
        time.sleep(POLL_SECONDS)


def foreign_sessions(found: list[Session], when: str) -> DatabaseError:
    """The failure that names who is connected."""
    names = sorted({str(session) for session in found})
    shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return DatabaseError(
        "ForeignSessions",
        f"{len(found)} other session(s) are connected to the database {when}: {shown}.",
        "List the workload that they belong to in spec.workloads, close them, or name their application in "
        "spec.sessions.ignore if they never write.",
        facts={"sessions": names, "sessionCount": len(found)},
    )


def long_transactions(connection: Connection, seconds: float) -> list[dict[str, Any]]:
    """Transactions of others that have been open longer than ``seconds``; only those that this role may see."""
    rows = fetch_all(
        connection,
        """
        SELECT a.pid, coalesce(a.application_name, ''),
               extract(epoch FROM pg_catalog.clock_timestamp() - a.xact_start)::bigint
        FROM pg_catalog.pg_stat_activity a
        WHERE a.datname = pg_catalog.current_database() AND a.pid <> pg_catalog.pg_backend_pid()
          AND a.xact_start < pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => %s)
          AND coalesce(a.backend_type, 'client backend') = 'client backend'
        ORDER BY 3 DESC
        """,
        (seconds,),
        doing="looking for long transactions",
    )
    return [{"pid": pid, "application": application, "seconds": age} for pid, application, age in rows]


def prepared_transactions(connection: Connection) -> list[str]:
    """Global ids of prepared transactions of this database: they hold locks without any session."""
    rows = fetch_all(
        connection,
        "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY prepared",
        doing="looking for prepared transactions",
    )
    return [row[0] for row in rows]
