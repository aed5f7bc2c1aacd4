"""Rows of single tables, carried from the application's database to the scratch server by COPY."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from dbmigrations.runner import catalogue, classify
from dbmigrations.runner.database import fetch_all
from dbmigrations.runner.errors import RehearsalError

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection


def carry(connection: Connection, scratch: Connection, schema: str, name: str) -> None:
    """Copy all rows of one table that exists on both sides. Raises DatabaseError."""
    columns, partitioned = _columns(connection, schema, name)
    if not columns:
        return
    table = Identifier(schema, name)
    listed = SQL(", ").join(Identifier(column) for column in columns)
    # Rows of children are not this table's own; a partitioned table has no others.
    only = SQL("") if partitioned else SQL("ONLY ")
    source = SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(listed, only, table)
    destination = SQL("COPY {} ({}) FROM STDIN").format(table, listed)
    try:
        _unbounded(connection)
        _unbounded(scratch)
        # Neither triggers nor foreign keys matter: the tables that they lead to may be empty here.
        scratch.execute("SET session_replication_role = replica")
        _copy(connection, scratch, source, destination)
    except psycopg.Error as error:
        raise classify.running(error, f"copying the rows of {schema}.{name} to the scratch server") from None


def carry_named(connection: Connection, scratch: Connection, table: str) -> None:
    """Copy the rows of a table that the manifest names. Raises RehearsalError (DataOfNotFound) or DatabaseError."""
    schema, name = catalogue.split_name(table)
    found = fetch_all(
        connection,
        """
        SELECT n.nspname, c.relname FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.oid = pg_catalog.to_regclass(
              CASE WHEN %s = '' THEN '' ELSE pg_catalog.quote_ident(%s) || '.' END || pg_catalog.quote_ident(%s))
        """,
        (schema, schema, name),
        doing="looking for the tables of rehearsal.dataOf",
    )
    if not found:
        raise RehearsalError(
            "DataOfNotFound",
            f"There is no table {table} whose rows could be copied for the rehearsal.",
            "Check spec.rehearsal.dataOf: names are schema.table, as the catalogue spells them.",
            facts={"table": table},
        )
    carry(connection, scratch, found[0][0], found[0][1])


def _columns(connection: Connection, schema: str, name: str) -> tuple[list[str], bool]:
    """Columns that can be written, and whether the table is partitioned."""
    rows = fetch_all(
        connection,
        """
        SELECT a.attname, c.relkind = 'p' FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %s AND c.relname = %s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
        ORDER BY a.attnum
        """,
        (schema, name),
        doing="listing a table's columns",
    )
    return [row[0] for row in rows], bool(rows and rows[0][1])


def _unbounded(connection: Connection) -> None:
    """The program's own deadline is limit enough. Row security must fail rather than hide rows."""
    connection.execute("SET statement_timeout = 0")
    connection.execute("SET row_security = off")


def _copy(connection: Connection, scratch: Connection, source: Composed | SQL, destination: Composed | SQL) -> None:
    with connection.cursor() as reader, scratch.cursor() as writer:  # noqa: SIM117 - the order of closing matters
        with reader.copy(source) as rows, writer.copy(destination) as sink:
            for block in rows:
                sink.write(block)
