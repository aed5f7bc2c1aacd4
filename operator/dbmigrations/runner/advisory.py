"""The lock that lets one migration at a time touch a database.

It belongs to a session in autocommit that is otherwise idle: inside of a transaction it would deadlock
``CREATE INDEX CONCURRENTLY``.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from dbmigrations.runner.database import fetch_all, fetch_one

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

# The same for all resources and clusters; PostgreSQL keeps advisory locks per database.
KEY = int.from_bytes(hashlib.sha256(b"dbmigrations.dev").digest()[:8], "big", signed=True)


def try_lock(connection: Connection) -> bool:
    """Take the lock if it is free."""
    return bool(fetch_one(connection, "SELECT pg_catalog.pg_try_advisory_lock(%s)", (KEY,), doing="taking the lock")[0])


def holder(connection: Connection) -> str:
    """``application@address`` of who has it, "" if nobody has."""
    rows = fetch_all(
        connection,
        """
        SELECT coalesce(nullif(a.application_name, ''), 'unnamed') || '@'
               || coalesce(pg_catalog.host(a.client_addr), 'hidden or local')
        FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
        WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
          AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
          AND l.classid::bigint = %s AND l.objid::bigint = %s
        """,
        ((KEY >> 32) & 0xFFFFFFFF, KEY & 0xFFFFFFFF),
        doing="asking who has the lock",
    )
    return str(rows[0][0]) if rows else ""
