"""What the catalogue says: identity, version rows, tables, and what would keep a dump from being whole."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

from dbmigrations.runner import classify
from dbmigrations.runner.database import fetch_all, fetch_one
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

# As pg_dump sees it: these schemas are never dumped.
_USER_SCHEMA = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"
_NOT_OF_EXTENSION = (
    "NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass "
    "AND d.objid = c.oid AND d.deptype = 'e')"
)


@dataclass(frozen=True)
class Identity:
    """Which database this is: the same across resources and clients, another one after a swap or a new server."""

    id: str
    database: str
    role: str
    version: str
    major: int
    size_bytes: int


def identify(connection: Connection) -> Identity:
    """Name, role, size and identity of the connected database."""
    database, role, oid, size, version = fetch_one(
        connection,
        "SELECT d.datname, current_user, d.oid, pg_catalog.pg_database_size(d.oid), "
        "pg_catalog.current_setting('server_version') "
        "FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()",
        doing="identifying the database",
    )
    text = f"{_system_identifier(connection)}:{oid}"
    return Identity(
        id=hashlib.sha256(text.encode()).hexdigest()[:32],
        database=database,
        role=role,
        version=version.split()[0],
        major=connection.info.server_version // 10000,
        size_bytes=size,
    )


def _system_identifier(connection: Connection) -> str:
    try:
        row = connection.execute("SELECT system_identifier FROM pg_catalog.pg_control_system()").fetchone()
    except psycopg.errors.InsufficientPrivilege:
        # Some hosted servers forbid it: the address that was dialled stands in.
        return f"{connection.info.host}:{connection.info.port}"
    except psycopg.Error as error:
        raise classify.running(error, "identifying the server") from None
    assert row is not None
    return str(row[0])


def in_recovery(connection: Connection) -> bool:
    """Whether the server is a replica."""
    return bool(fetch_one(connection, "SELECT pg_catalog.pg_is_in_recovery()", doing="asking for the server's role")[0])


def serving_process(connection: Connection) -> int:
    """The server's process behind a connection. A pooler tells its clients made-up ids, and may change the process."""
    return int(fetch_one(connection, "SELECT pg_catalog.pg_backend_pid()", doing="looking for a connection pooler")[0])


@dataclass(frozen=True)
class VersionTable:
    """Alembic's version table as it was found; ``schema`` is empty where it does not exist."""

    schema: str
    name: str
    revisions: frozenset[str]

    @property
    def exists(self) -> bool:
        """False before the first migration."""
        return bool(self.schema)


def split_name(text: str) -> tuple[str, str]:
    """``schema.table`` as two names; double quotes keep a dot in a name. No schema gives ("", table)."""
    parts = [""]
    quoted = False
    for character in text:
        if character == '"':
            quoted = not quoted
        elif character == "." and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return ("", parts[0]) if len(parts) == 1 else (parts[0], ".".join(parts[1:]))


def read_versions(connection: Connection, version_table: str) -> VersionTable:
    """The set of revisions in the database, empty where there is no version table yet. Raises DatabaseError."""
    schema, name = split_name(version_table)
    try:
        qualified = fetch_one(
            connection,
            "SELECT CASE WHEN %s = '' THEN pg_catalog.quote_ident(%s) "
            "ELSE pg_catalog.quote_ident(%s) || '.' || pg_catalog.quote_ident(%s) END",
            (schema, name, schema, name),
            doing="reading the version table",
        )[0]
        found = connection.execute(
            "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c "
            "JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass(%s)",
            (qualified,),
        ).fetchone()
        if found is None:
            return VersionTable("", name, frozenset())
        # The quoting is the server's own.
        rows = connection.execute(f"SELECT version_num FROM {qualified}".encode()).fetchall()  # noqa: S608
    except psycopg.errors.UndefinedColumn:
        problem = "it has no column version_num, so it is not a version table of Alembic"
    except psycopg.errors.InsufficientPrivilege as error:
        problem = " ".join(str(error).split())
    except psycopg.Error as error:
        raise classify.running(error, f"reading the version table {version_table}") from None
    else:
        return VersionTable(found[0], found[1], frozenset(str(row[0]) for row in rows if row[0] is not None))
    raise DatabaseError(
        "VersionTableUnreadable",
        f"The version table {version_table} cannot be read: {problem}.",
        "Check spec.migration.versionTable, and GRANT USAGE on its schema and SELECT on it to the application's role.",
    )


def elsewhere(connection: Connection, version_table: str) -> list[str]:
    """Schemas outside of the search path that have a table of that name."""
    rows = fetch_all(
        connection,
        f"SELECT n.nspname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "  # noqa: S608
        f"WHERE c.relname = %s AND c.relkind IN ('r', 'p') AND {_USER_SCHEMA} ORDER BY 1",
        (split_name(version_table)[1],),
        doing="looking for version tables",
    )
    return [row[0] for row in rows]


@dataclass(frozen=True)
class Tables:
    """Names (schema, table) as bytes in the database's own encoding, as a dump has them.

    ``required`` have their rows in every whole dump; ``optional`` are tables of extensions that may have some there.
    """

    required: frozenset[tuple[bytes, bytes]]
    optional: frozenset[tuple[bytes, bytes]]


def tables(connection: Connection) -> Tables:
    """The tables whose rows a dump must contain."""
    rows = fetch_all(
        connection,
        f"""
        SELECT pg_catalog.convert_to(n.nspname::text, e.name), pg_catalog.convert_to(c.relname::text, e.name),
               {_NOT_OF_EXTENSION}
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        CROSS JOIN (SELECT pg_catalog.current_setting('server_encoding') AS name) e
        WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_USER_SCHEMA}
        """,  # noqa: S608
        doing="listing the tables",
    )
    required = frozenset((bytes(schema), bytes(name)) for schema, name, own in rows if own)
    optional = frozenset((bytes(schema), bytes(name)) for schema, name, own in rows if not own)
    return Tables(required, optional)


def undumpable(connection: Connection) -> list[str]:
    """Names of relations and large objects that this role may not read, so that pg_dump would fail."""
    relations = fetch_all(
        connection,
        f"""
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm', 'S', 'v', 'f') AND c.relpersistence <> 't' AND {_USER_SCHEMA}
          AND {_NOT_OF_EXTENSION}
          AND NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE')
                   AND CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                            WHEN c.relkind IN ('v', 'm', 'f') THEN true
                            ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END)
        ORDER BY 1
        """,  # noqa: S608
        doing="checking the privileges for a dump",
    )
    objects = fetch_all(
        connection,
        """
        SELECT 'large object ' || m.oid::text FROM pg_catalog.pg_largeobject_metadata m
        WHERE NOT pg_catalog.pg_has_role(m.lomowner, 'USAGE')
          AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(m.lomacl) a WHERE a.privilege_type = 'SELECT'
                          AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE')))
        ORDER BY m.oid LIMIT 10
        """,
        doing="checking the privileges for a dump",
    )
    return [row[0] for row in relations + objects]


def row_secured(connection: Connection) -> list[str]:
    """Names of tables of which row security hides rows from this role: pg_dump refuses those."""
    rows = fetch_all(
        connection,
        f"""
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
        FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p') AND c.relrowsecurity AND {_USER_SCHEMA} AND pg_catalog.row_security_active(c.oid)
        ORDER BY 1
        """,  # noqa: S608
        doing="checking row security",
    )
    return [row[0] for row in rows]
