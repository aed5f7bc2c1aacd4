"""load: the application's database on the scratch server, without its data.

It reads the real database as the application would, and is the last container of the rehearsal that has credentials.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from dbmigrations.runner import (
    canonical,
    catalogue,
    classify,
    database,
    ddl_events,
    pgtools,
    roles,
    rows,
    schema,
    schema_load,
    scratch,
    scratch_database,
    scratch_settings,
    scratch_versions,
)
from dbmigrations.runner.database import fetch_all, fetch_one
from dbmigrations.runner.errors import DatabaseError, RehearsalError

if TYPE_CHECKING:
    from dbmigrations.runner.catalogue import VersionTable
    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.database import Connection
    from dbmigrations.runner.pgtools import Tools

BEFORE, LOADED = "before.sql", "loaded.json"
_QUIET_SECONDS = 10.0


@dataclass(frozen=True)
class _Reality:
    """What was read of the application's database."""

    roles: roles.Roles
    database: scratch_database.Database
    extensions: list[str]
    versions: VersionTable
    schema_hash: str
    tools: Tools
    dump: Path


def run(context: Context) -> dict[str, Any]:
    """Prepare the scratch server. Raises RunnerError."""
    begun = time.monotonic()
    config, log = context.config, context.log
    rehearsal = config.rehearsal
    assert rehearsal is not None
    # First of all: the server starts while the real database is read.
    scratch_settings.write(rehearsal)
    target = _at_address(context.target, rehearsal.hostaddr)
    with database.session(target, "load") as connection:
        reality = _read(context, connection, target, Path(rehearsal.folder))
        log.step("database", "read", revisions=sorted(reality.versions.revisions), roles=len(reality.roles.roles))
        scratch.wait_until_ready(rehearsal)
        log.step("scratch", "the scratch server is there")
        major, warnings = _recreate(rehearsal, reality)
        log.step("scratch", "roles, database and schema were loaded", warnings=warnings)
        with scratch.session(rehearsal, rehearsal.database, "load") as copy:
            _carry_rows(config.version_table, connection, copy, rehearsal, reality.versions)
    tools = pgtools.choose(major)
    locale = _locale(rehearsal)
    path = Path(rehearsal.folder) / BEFORE
    canonical_hash = canonical.of_database(rehearsal, rehearsal.database, locale, tools, path)
    _arm(rehearsal, reality.versions, locale, canonical_hash)
    log.step("load", "the command may run")
    return {
        "schema": canonical_hash,
        "raw": reality.schema_hash,
        "serverMajor": major,
        "roles": len(reality.roles.roles),
        "seconds": round(time.monotonic() - begun, 1),
        "warnings": warnings,
    }


def _at_address(target: Target, hostaddr: str) -> Target:
    """The Pod's hosts file sends the real name to the scratch server; certificates are still checked by the name."""
    if not hostaddr:
        return target
    # Where several hosts are named, each of them gets the address: libpq wants lists of one length.
    hosts = str(target.params.get("host", "")).split(",")
    return replace(target, params={**target.params, "hostaddr": ",".join([hostaddr] * len(hosts))})


def _read(context: Context, connection: Connection, target: Target, folder: Path) -> _Reality:
    config = context.config
    tools = pgtools.choose(connection.info.server_version // 10000)
    path = folder / "reality.dump"
    seconds = config.deadline_seconds or 3600.0
    versions = catalogue.read_versions(connection, config.version_table)
    reality = _Reality(
        roles=roles.read(connection),
        database=scratch_database.read(connection),
        extensions=_extensions(connection),
        versions=versions,
        schema_hash=schema.schema_hash(target, tools, "load", seconds),
        tools=tools,
        dump=path,
    )
    schema_load.dump_reality(target, tools, path, seconds)
    return reality


def _extensions(connection: Connection) -> list[str]:
    query = "SELECT extname FROM pg_catalog.pg_extension ORDER BY 1"
    return [row[0] for row in fetch_all(connection, query, doing="listing the extensions")]


def _recreate(rehearsal: Rehearsal, reality: _Reality) -> tuple[int, list[str]]:
    """Roles, database and schema; returns the scratch server's major version and what is not as in reality."""
    with scratch.session(rehearsal, "template1", "load") as server:
        major = server.info.server_version // 10000
        _quiet(server)
        _check_extensions(server, reality.extensions, major)
        warnings = roles.create(server, reality.roles)
    warnings += scratch_database.create(rehearsal, reality.database)[1]
    with scratch.session(rehearsal, rehearsal.database, "load") as server:
        warnings += roles.apply_settings(server, rehearsal.database, reality.roles.settings)
    target = scratch.target(rehearsal, rehearsal.database)
    warnings += schema_load.restore(reality.dump, target, reality.tools, major, 3600.0)
    # It may hold what was left out of the copy, as passwords of user mappings.
    reality.dump.unlink()
    return major, warnings


def _quiet(server: Connection) -> None:
    """Our own sessions would only make the log longer."""
    try:
        for setting in ("log_statement = 'none'", "log_duration = off", "log_min_error_statement = panic"):
            server.execute(f"ALTER ROLE {scratch.SUPERUSER} SET {setting}".encode())
    except psycopg.Error as error:
        raise classify.running(error, "preparing the scratch server") from None


def _check_extensions(server: Connection, wanted: list[str], major: int) -> None:
    query = "SELECT name FROM pg_catalog.pg_available_extensions"
    available = {row[0] for row in fetch_all(server, query, doing="listing the scratch server's extensions")}
    if missing := [name for name in wanted if name not in available]:
        raise schema_load.extension_missing(missing, major)


def _carry_rows(
    version_table: str, connection: Connection, copy: Connection, rehearsal: Rehearsal, versions: VersionTable
) -> None:
    if versions.exists:
        rows.carry(connection, copy, versions.schema, versions.name)
    for table in rehearsal.data_of:
        rows.carry_named(connection, copy, table)
    now = catalogue.read_versions(connection, version_table)
    if now != versions:
        raise RehearsalError(
            "VersionMoved",
            f"The version table says {sorted(now.revisions)}, and said {sorted(versions.revisions)} when "
            "the schema was read: somebody migrates the database at the same time.",
            "The rehearsal is tried again.",
            transient=True,
        )


def _locale(rehearsal: Rehearsal) -> scratch_database.Locale:
    """The one that the scratch database really has."""
    with scratch.session(rehearsal, rehearsal.database, "load") as connection:
        return scratch_database.read(connection).locale


def _arm(rehearsal: Rehearsal, versions: VersionTable, locale: scratch_database.Locale, schema_hash: str) -> None:
    """The last touch: what `report` compares with, and the event triggers."""
    with scratch.session(rehearsal, rehearsal.database, "load") as connection:
        _wait_until_alone(connection)
        loaded = {
            "schema": schema_hash,
            "revisions": sorted(versions.revisions),
            "versionTable": scratch_versions.scans(connection, versions.schema, versions.name)
            if versions.exists
            else None,
            "locale": asdict(locale),
        }
        ddl_events.install(connection)
    path = Path(rehearsal.folder) / LOADED
    path.write_text(json.dumps(loaded))
    path.chmod(0o644)


def _wait_until_alone(connection: Connection) -> None:
    """A session reports its statistics when it ends, and that of a program that has ended can still be there."""
    deadline = time.monotonic() + _QUIET_SECONDS
    while sessions(connection):
        if time.monotonic() > deadline:
            raise DatabaseError("DatabaseFailed", "Sessions of our own on the scratch server did not end.")
        time.sleep(0.02)


def sessions(connection: Connection) -> int:
    """Client sessions of the scratch server other than this one."""
    query = """
        SELECT count(*) FROM pg_catalog.pg_stat_activity a
        WHERE a.backend_type = 'client backend' AND a.pid <> pg_catalog.pg_backend_pid()
    """
    return int(fetch_one(connection, query, doing="looking for sessions of our own")[0])
