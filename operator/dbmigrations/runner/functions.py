"""The database's own functions that may change something: a SELECT that calls one is no mere read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dbmigrations.runner.database import fetch_all

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

_CALL = re.compile(r'([^\W\d][\w$]*)"?\s*\(')


def volatile(connection: Connection) -> frozenset[str]:
    """Their names in small letters, without those of extensions (which make ids and read clocks)."""
    rows = fetch_all(
        connection,
        """
        SELECT DISTINCT pg_catalog.lower(p.proname) FROM pg_catalog.pg_proc p
        JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND p.provolatile = 'v' AND p.prokind = 'f'
          AND p.prorettype NOT IN (SELECT t.oid FROM pg_catalog.pg_type t
                                   WHERE t.typname IN ('trigger', 'event_trigger'))
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.deptype = 'e' AND d.objid = p.oid
                          AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
        """,
        doing="listing the database's functions",
    )
    return frozenset(str(row[0]) for row in rows)


def calls(text: str, names: frozenset[str]) -> bool:
    """Whether a statement calls one of them, as far as its text tells."""
    return bool(names) and any(found.group(1).lower() in names for found in _CALL.finditer(text))
