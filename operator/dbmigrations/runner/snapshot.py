"""One moment of the database, shared by our own queries and by pg_dump."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import psycopg

from dbmigrations.runner import catalogue, classify
from dbmigrations.runner.database import fetch_one

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrations.runner.catalogue import Tables, VersionTable
    from dbmigrations.runner.database import Connection


@dataclass(frozen=True)
class Snapshot:
    """``id`` is for pg_dump and good until release(); ``taken_at`` is UTC, rounded down to seconds."""

    id: str
    taken_at: datetime
    versions: VersionTable
    tables: Tables
    encoding: str
    connection: Connection

    def release(self) -> None:
        """End the transaction: once pg_dump has it, holding it as well only keeps old rows alive."""
        if self.connection.info.transaction_status != psycopg.pq.TransactionStatus.IDLE:
            self.connection.rollback()


@contextmanager
def take(connection: Connection, version_table: str) -> Iterator[Snapshot]:
    """Open the snapshot on an idle autocommit connection. Raises DatabaseError."""
    try:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        exported, taken_at, encoding = fetch_one(
            connection,
            "SELECT pg_catalog.pg_export_snapshot(), extract(epoch FROM pg_catalog.now())::float8, "
            "pg_catalog.current_setting('server_encoding')",
            doing="taking a snapshot",
        )
        snapshot = Snapshot(
            id=exported,
            taken_at=datetime.fromtimestamp(int(taken_at), UTC),
            versions=catalogue.read_versions(connection, version_table),
            tables=catalogue.tables(connection),
            encoding=encoding,
            connection=connection,
        )
    except psycopg.Error as error:
        raise classify.running(error, "taking a snapshot") from None
    try:
        yield snapshot
    finally:
        if not connection.closed:
            try:
                snapshot.release()
            except psycopg.Error:
                connection.close()
