"""Event triggers on the scratch database that write every DDL command to the server's log, nested ones included.

Their functions lie in pg_catalog, where neither a search path nor a script that empties all schemas meets them, and are
dropped before the schema is compared.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from dbmigrations.runner import classify

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

MARK = "dbmigrations-ddl "
_DONE, _DROPPED = "dbmigrations_rehearsal_done", "dbmigrations_rehearsal_dropped"

# As the superuser, so that the log need not repeat the statement at each line (log_min_error_statement). Nothing of it
# may fail: an object can be gone by the time that the command ends.
_FUNCTION = """
CREATE OR REPLACE FUNCTION pg_catalog.{name}() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog SET log_min_error_statement = panic SET row_security = off AS $body$
DECLARE
  item record;
BEGIN
  BEGIN
    FOR item IN {query} LOOP
      RAISE LOG '{mark}%', pg_catalog.json_build_object('tag', TG_TAG, 'type', item.object_type,
        'identity', item.object_identity, 'dropped', {dropped})::text;
    END LOOP;
  EXCEPTION WHEN OTHERS THEN
    RAISE LOG '{mark}%', pg_catalog.json_build_object('tag', TG_TAG, 'type', '', 'identity', '',
      'dropped', {dropped})::text;
  END;
END
$body$
"""


@dataclass(frozen=True)
class Ddl:
    """One command of DDL that was carried out, as the server names it."""

    tag: str
    type: str
    identity: str
    dropped: bool

    def __str__(self) -> str:
        if self.dropped and not self.tag.startswith("DROP "):
            return f"{self.tag}: {self.type} {self.identity} dropped"
        return f"{self.tag} {self.identity}".strip()


def install(scratch: Connection) -> None:
    """Write every command of DDL to the log from now on. Raises DatabaseError."""
    done = "SELECT object_type, object_identity FROM pg_catalog.pg_event_trigger_ddl_commands()"
    dropped = "SELECT object_type, object_identity FROM pg_catalog.pg_event_trigger_dropped_objects() WHERE original"
    _run(
        scratch,
        _FUNCTION.format(name=_DONE, query=done, dropped="false", mark=MARK),
        _FUNCTION.format(name=_DROPPED, query=dropped, dropped="true", mark=MARK),
        f"CREATE EVENT TRIGGER {_DONE} ON ddl_command_end EXECUTE FUNCTION pg_catalog.{_DONE}()",
        f"CREATE EVENT TRIGGER {_DROPPED} ON sql_drop EXECUTE FUNCTION pg_catalog.{_DROPPED}()",
        # Also where the application sets session_replication_role.
        f"ALTER EVENT TRIGGER {_DONE} ENABLE ALWAYS",
        f"ALTER EVENT TRIGGER {_DROPPED} ENABLE ALWAYS",
    )


def remove(scratch: Connection) -> None:
    """Leave nothing of it; does nothing where there is nothing. Raises DatabaseError."""
    names = (_DONE, _DROPPED)
    _run(
        scratch,
        *(f"DROP EVENT TRIGGER IF EXISTS {name}" for name in names),
        *(f"DROP FUNCTION IF EXISTS pg_catalog.{name}()" for name in names),
    )


def parse(message: str) -> Ddl | None:
    """The command that a log message tells of; None where it tells of none."""
    if not message.startswith(MARK):
        return None
    try:
        raw = json.loads(message.removeprefix(MARK))
        return Ddl(str(raw["tag"]), str(raw["type"] or ""), str(raw["identity"] or ""), bool(raw["dropped"]))
    except (ValueError, KeyError, TypeError):
        # The application can write such a line as well; it is not ours then.
        return None


def _run(scratch: Connection, *statements: str) -> None:
    try:
        for statement in statements:
            scratch.execute(statement.encode())
    except psycopg.Error as error:
        raise classify.running(error, "preparing the scratch database's event triggers") from None
