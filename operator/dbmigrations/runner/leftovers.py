"""Sessions that a migration's Pod left behind: a killed Pod does not kill its backend, which may still commit.

Nothing that is read from the database is believed before they are gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from dbmigrations.runner.database import fetch_all
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

LIMIT_SECONDS = 30.0
_POLL_SECONDS = 0.1

_END = """
    SELECT a.pid, pg_catalog.pg_terminate_backend(a.pid) FROM pg_catalog.pg_stat_activity a
    WHERE a.datname = pg_catalog.current_database() AND a.usename = session_user
      AND pg_catalog.host(a.client_addr) = ANY (%s)
      AND a.pid <> pg_catalog.pg_backend_pid()
"""


def end(connection: Connection, addresses: tuple[str, ...], *, limit: float = LIMIT_SECONDS) -> int:
    """End every session of our role in this database that comes from these addresses; returns how many there were.

    Raises DatabaseError (SessionsLeft, transient) where one is still there after ``limit`` seconds.
    """
    ended: set[int] = set()
    deadline = time.monotonic() + limit
    while found := fetch_all(connection, _END, (list(addresses),), doing="ending what the migration left behind"):
        ended |= {row[0] for row in found}
        if time.monotonic() > deadline:
            raise DatabaseError(
                "SessionsLeft",
                f"{len(found)} session(s) of the migration's Pod do not end: processes "
                f"{', '.join(str(row[0]) for row in found[:8])}.",
                "Look at them in pg_stat_activity; nothing is decided before they are gone.",
                transient=True,
            )
        time.sleep(_POLL_SECONDS)
    return len(ended)
