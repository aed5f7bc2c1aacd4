"""inspect: everything that can be known beforehand, while the application is up.

Ends with the first reason for which a backup or a migration would fail; else with the facts that the plan is made of.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import (
    catalogue,
    database,
    fingerprint,
    leftovers,
    parts,
    pgtools,
    probe,
    rehearsal_facts,
    sessions,
    store,
)
from dbmigrations.runner.errors import DatabaseError

if TYPE_CHECKING:
    from dbmigrations.runner.catalogue import Identity
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.database import Connection

_LONG_TRANSACTION_SECONDS = 60.0
_NAMED = 8


def run(context: Context) -> dict[str, Any]:
    """The facts of the database and of the bucket. Raises RunnerError."""
    config, log = context.config, context.log
    store.hide_application_credentials(os.environ)
    with database.session(context.target, "inspect") as connection:
        identity = catalogue.identify(connection)
        log.step("database", "connected", database=identity.database, version=identity.version)
        if config.end_sessions_of:
            ended = leftovers.end(connection, config.end_sessions_of)
            log.step("sessions", "what the migration left behind was ended", ended=ended)
        tools = pgtools.choose(identity.major)
        _check_session(context, connection)
        _check_dump(connection, identity)
        versions = catalogue.read_versions(connection, config.version_table)
        print_ = fingerprint.take(
            connection,
            context.target,
            tools,
            program="inspect",
            version_table=config.version_table,
            timeout_seconds=config.deadline_seconds,
        )
        log.step("schema", "read", revisions=sorted(versions.revisions))
        facts: dict[str, Any] = {
            "serverVersion": identity.version,
            "serverMajor": identity.major,
            "clientMajor": tools.major,
            "sizeBytes": identity.size_bytes,
            "database": identity.database,
            "role": identity.role,
            "scheme": context.target.scheme,
            "identity": {"id": identity.id},
            "revisions": sorted(versions.revisions),
            "versionTableExists": versions.exists,
            "fingerprint": print_.facts(),
            "warnings": _warnings(context, connection, exists=versions.exists),
            **rehearsal_facts.facts(connection, identity, config.connection, os.environ),
        }
    if config.store is not None:
        bucket = store.connect(config.store, store.QUICK)
        facts["store"] = probe.run(bucket, config, log).facts()
        log.step("store", "a canary was written, checked and removed", **facts["store"])
        compressed = config.backup.compression.partition(":")[0] != "none"
        size = parts.part_size(identity.size_bytes, compressed=compressed)
        facts["backupMemoryBytes"] = parts.memory_needed(size)
    return facts


def _check_session(context: Context, connection: Connection) -> None:
    if catalogue.in_recovery(connection):
        raise DatabaseError(
            "InRecovery",
            "The server is a replica: nothing can be migrated there.",
            "Let the application's variables name the primary.",
        )
    served_by = catalogue.serving_process(connection)
    if served_by == connection.info.backend_pid:
        return
    with database.session(context.target, "inspect") as other:
        # One process for two open connections: it is lent to whoever has something to say.
        if catalogue.serving_process(other) == served_by:
            raise DatabaseError(
                "PoolerDetected",
                "A connection pooler in transaction mode stands before the server, where no session can hold a lock.",
                "Let the migration's variables (spec.migration.env) name the server itself.",
            )


def _check_dump(connection: Connection, identity: Identity) -> None:
    unreadable = catalogue.undumpable(connection)
    if unreadable:
        raise DatabaseError(
            "CannotDump",
            f"The role {identity.role} may not read {_some(unreadable)}: a dump would not be whole.",
            f"GRANT SELECT on it (and USAGE on its schema) to {identity.role}, or let {identity.role} own it.",
            facts={"relations": unreadable},
        )
    secured = catalogue.row_secured(connection)
    if secured:
        raise DatabaseError(
            "RowSecurity",
            f"Row security hides rows of {_some(secured)} from the role {identity.role}: a dump would not be whole.",
            f"ALTER ROLE {identity.role} BYPASSRLS, or use the tables' owner.",
            facts={"relations": secured},
        )


def _warnings(context: Context, connection: Connection, *, exists: bool) -> list[str]:
    found = [
        f"process {item['pid']} ({item['application'] or 'unnamed'}) has a transaction open for {item['seconds']} s"
        for item in sessions.long_transactions(connection, _LONG_TRANSACTION_SECONDS)
    ]
    found += [f"prepared transaction {gid} holds its locks" for gid in sessions.prepared_transactions(connection)]
    table = context.config.version_table
    if not exists and (schemas := catalogue.elsewhere(connection, table)):
        where = _some(schemas)
        found.append(f"no {table} on the search path, but one in schema {where}: see spec.migration.versionTable")
    return [context.log.redactor.text(warning) for warning in found]


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
