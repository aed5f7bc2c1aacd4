"""The version table on the scratch server: its rows, and whether the command has looked at it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.runner import catalogue, scratch
from dbmigrations.runner.database import fetch_all, fetch_one
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from dbmigrations.runner.catalogue import VersionTable
    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.database import Connection


def read(server: Connection, rehearsal: Rehearsal, table: str) -> tuple[VersionTable, list[int] | None]:
    """The rows, and the counters from before they were read. A name without a schema is found as the role finds it."""
    if path := _search_path(rehearsal):
        # As the superuser: the command may have created the table as another role.
        query = "SELECT pg_catalog.set_config('search_path', %s, false)"
        fetch_one(server, query, (path,), doing="setting a search path")
    before = scans(server, *catalogue.split_name(table))
    return catalogue.read_versions(server, table), before


def _search_path(rehearsal: Rehearsal) -> str:
    """Where the role looks for tables; "" where the command has locked it out."""
    query = """
        SELECT pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.quote_ident(s)
               FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) s), ', ')
    """
    try:
        with scratch.session(rehearsal, rehearsal.database, "report", rehearsal.role) as theirs:
            return str(fetch_one(theirs, query, doing="asking for the role's search path")[0])
    except DatabaseError as error:
        if error.transient:
            raise
        return ""


def scans(connection: Connection, schema: str, name: str) -> list[int] | None:
    """Identity of the version table and how often it was read so far; None where there is none."""
    row = fetch_all(
        connection,
        """
        SELECT s.relid::bigint, coalesce(s.seq_scan, 0) + coalesce(s.idx_scan, 0)
        FROM pg_catalog.pg_stat_all_tables s
        WHERE s.relid = pg_catalog.to_regclass(
              CASE WHEN %s = '' THEN '' ELSE pg_catalog.quote_ident(%s) || '.' END || pg_catalog.quote_ident(%s))
        """,
        (schema, schema, name),
        doing="reading the version table's statistics",
    )
    return [int(number) for number in row[0]] if row else None


def was_read(before: list[int] | None, after: list[int] | None) -> bool:
    """Another number of scans, another table, or one where there was none."""
    return after is not None and before != after
