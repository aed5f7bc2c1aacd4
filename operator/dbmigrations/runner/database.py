"""Connections of our own: bounded in every wait, indifferent to the database's encoding."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.adapt import Buffer, Loader

from dbmigrations.runner import classify
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dbmigrations.runner.connection import Target

CONNECT_SECONDS = 10
STATEMENT_SECONDS = 60
LOCK_SECONDS = 10
APPLICATION_PREFIX = "dbmigrations-"
OLDEST_SERVER = 15
_TEXT_TYPES = ("text", "name", "varchar", "bpchar", '"char"')
# A peer that vanished is noticed after about 30 s, also while we wait for a statement.
_KEEPALIVES = {
    "keepalives": "1",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}

Connection = psycopg.Connection[tuple[Any, ...]]


class _AnyEncodingLoader(Loader):
    """Text as str, whatever the bytes are: databases in SQL_ASCII hold every encoding at once."""

    def load(self, data: Buffer) -> str:
        return bytes(data).decode("utf-8", "surrogateescape")


def connect(target: Target, program: str) -> Connection:
    """Open a session in autocommit. Raises DatabaseError with the reason."""
    params: dict[str, Any] = {"connect_timeout": str(CONNECT_SECONDS), **_KEEPALIVES, **target.params}
    params["application_name"] = APPLICATION_PREFIX + program
    params["client_encoding"] = "UTF8"
    try:
        connection = psycopg.connect(**params, autocommit=True, prepare_threshold=None)
    except psycopg.Error as error:
        raise classify.connecting(error, _place(target)) from None
    if connection.info.parameter_status("server_encoding") == "SQL_ASCII":
        # There is nothing to convert, and UTF8 would be checked.
        _set(connection, "client_encoding", "SQL_ASCII")
    for name in _TEXT_TYPES:
        connection.adapters.register_loader(name, _AnyEncodingLoader)
    _check_server(connection)
    settings = {
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "lock_timeout": f"{LOCK_SECONDS}s",
        "idle_session_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "client_connection_check_interval": "2s",
    }
    for name, value in settings.items():
        _set(connection, name, value)
    return connection


def _place(target: Target) -> str:
    """Where the application's variables lead, for messages; "" where libpq's own defaults decide."""
    host = target.params.get("host", "")
    return f"{host}:{target.params.get('port', '5432')}" if host else ""


def _set(connection: Connection, name: str, value: str) -> None:
    try:
        connection.execute("SELECT pg_catalog.set_config(%s, %s, false)", (name, value))
    except (psycopg.errors.InvalidParameterValue, psycopg.errors.UndefinedObject):
        # client_connection_check_interval is not available on every platform of a server; nothing depends on it here.
        return
    except psycopg.Error as error:
        connection.close()
        raise classify.running(error, "preparing the session") from None


def _check_server(connection: Connection) -> None:
    """Refuse what only speaks the protocol, and servers that are too old."""
    try:
        (version,) = fetch_one(connection, "SELECT pg_catalog.version()", doing="asking for the server's version")
    except DatabaseError:
        connection.close()
        raise
    product = str(version).split("(")[0].strip()
    major = connection.info.server_version // 10000
    if not product.startswith("PostgreSQL") or "Yugabyte" in product or "-YB-" in product:
        connection.close()
        raise DatabaseError("NotPostgreSQL", f"The server is {product}, which only resembles PostgreSQL.")
    if major < OLDEST_SERVER:
        connection.close()
        raise DatabaseError(
            "ServerTooOld",
            f"The server is {product}; {OLDEST_SERVER} is the oldest version that is supported.",
            "Upgrade the server first.",
        )


@contextmanager
def session(target: Target, program: str) -> Iterator[Connection]:
    """A connection that is closed at the end."""
    connection = connect(target, program)
    try:
        yield connection
    finally:
        connection.close()


def fetch_all(connection: Connection, query: str, params: Sequence[Any] = (), *, doing: str) -> list[tuple[Any, ...]]:
    """All rows of a query. Raises DatabaseError; ``doing`` says what for."""
    try:
        return connection.execute(query.encode(), params or None).fetchall()
    except psycopg.Error as error:
        raise classify.running(error, doing) from None


def fetch_one(connection: Connection, query: str, params: Sequence[Any] = (), *, doing: str) -> tuple[Any, ...]:
    """The only row of a query. Raises DatabaseError."""
    rows = fetch_all(connection, query, params, doing=doing)
    if len(rows) != 1:
        raise DatabaseError(
            "DatabaseFailed", f"The database answered with {len(rows)} rows instead of one while {doing}."
        )
    return rows[0]
