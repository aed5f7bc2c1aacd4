"""What must be equal if nothing was committed between two looks at a database.

Measured facts behind it: ``n_mod_since_analyze`` moves by committed changes only, a file node by a committed rewrite or
TRUNCATE only. ANALYZE and a reset of the statistics set the counters back: ``resets`` tells that, and the rest is
unknown.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.catalogue import read_versions
from dbmigrations.runner.database import fetch_all, fetch_one
from dbmigrations.runner.schema import schema_hash

if TYPE_CHECKING:
    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.database import Connection
    from dbmigrations.runner.pgtools import Tools

NAMED_INDEXES = 10
_HASH_CHARACTERS = 32


@dataclass(frozen=True)
class Fingerprint:
    """Hashes are hexadecimal and opaque: they are compared, never read."""

    revisions: frozenset[str]
    schema: str
    invalid_indexes: tuple[str, ...]
    invalid: str
    files: str
    changes: str
    resets: str

    def facts(self) -> dict[str, Any]:
        """For the result."""
        return {
            "revisions": sorted(self.revisions),
            "schema": self.schema,
            "invalidIndexes": list(self.invalid_indexes[:NAMED_INDEXES]),
            "invalid": self.invalid,
            "files": self.files,
            "changes": self.changes,
            "resets": self.resets,
        }


def take(
    connection: Connection, target: Target, tools: Tools, *, program: str, version_table: str, timeout_seconds: float
) -> Fingerprint:
    """Read all of it. ``timeout_seconds`` bounds the schema dump; the queries have the session's own limit."""
    invalid = invalid_indexes(connection)
    return Fingerprint(
        revisions=read_versions(connection, version_table).revisions,
        schema=schema_hash(target, tools, program, timeout_seconds),
        invalid_indexes=tuple(invalid),
        invalid=_hash(invalid),
        files=_files(connection),
        changes=_changes(connection),
        resets=_resets(connection),
    )


def _hash(rows: list[Any]) -> str:
    return hashlib.sha256(repr(rows).encode("utf-8", "surrogateescape")).hexdigest()[:_HASH_CHARACTERS]


def invalid_indexes(connection: Connection) -> list[str]:
    """Names of indexes that a failed CREATE INDEX CONCURRENTLY left behind."""
    rows = fetch_all(
        connection,
        """
        SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
        FROM pg_catalog.pg_index i
        JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE NOT (i.indisvalid AND i.indisready AND i.indislive) AND c.relpersistence <> 't'
        ORDER BY 1
        """,
        doing="looking for invalid indexes",
    )
    return [row[0] for row in rows]


def _files(connection: Connection) -> str:
    # Temporary tables come and go with their sessions; below 16384 are the system's own.
    rows = fetch_all(
        connection,
        """
        SELECT c.oid::bigint, c.relfilenode::bigint
        FROM pg_catalog.pg_class c
        WHERE c.relkind IN ('r', 'i', 'm', 'S', 't') AND c.relpersistence <> 't' AND c.oid >= 16384
        ORDER BY 1
        """,
        doing="reading the tables' file nodes",
    )
    return _hash(rows)


def _changes(connection: Connection) -> str:
    rows = fetch_all(
        connection,
        """
        SELECT s.relid::bigint, s.n_mod_since_analyze
        FROM pg_catalog.pg_stat_all_tables s
        WHERE (s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema')
           OR (s.schemaname = 'pg_catalog' AND s.relname = 'pg_largeobject')
        ORDER BY 1
        """,
        doing="reading the tables' change counters",
    )
    return _hash(rows)


def _resets(connection: Connection) -> str:
    analyses = fetch_all(
        connection,
        """
        SELECT s.relid::bigint, s.analyze_count, s.autoanalyze_count
        FROM pg_catalog.pg_stat_all_tables s
        WHERE (s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema')
           OR (s.schemaname = 'pg_catalog' AND s.relname = 'pg_largeobject')
        ORDER BY 1
        """,
        doing="reading the tables' statistics",
    )
    # After a crash the server discards all statistics: the archiver's reset time is then new, the server's own start
    # time need not be.
    server = fetch_one(
        connection,
        """
        SELECT extract(epoch FROM d.stats_reset)::text, extract(epoch FROM a.stats_reset)::text,
               extract(epoch FROM pg_catalog.pg_postmaster_start_time())::text
        FROM pg_catalog.pg_stat_database d CROSS JOIN pg_catalog.pg_stat_archiver a
        WHERE d.datname = pg_catalog.current_database()
        """,
        doing="reading the statistics' reset times",
    )
    return _hash([analyses, server])
