"""A schema in the form that it has after one more round trip through the scratch server.

PostgreSQL prints some expressions (CHECK) differently once they were loaded from a dump; after a round trip nothing
changes any more. Two schemas are the same if their canonical dumps are.
"""

from __future__ import annotations

import io
from contextlib import suppress
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Identifier

from dbmigrations.runner import classify, schema, schema_load, scratch
from dbmigrations.runner.children import CHUNK_BYTES, Child
from dbmigrations.runner.pgtools import complaints, connection_arguments

if TYPE_CHECKING:
    from pathlib import Path

    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.pgtools import Tools
    from dbmigrations.runner.scratch_database import Locale

_DATABASE = "dbmigrations_canonical"
_SECONDS = 300.0


def of_database(rehearsal: Rehearsal, name: str, locale: Locale, tools: Tools, path: Path) -> str:
    """Write the canonical dump of a database of the scratch server to ``path``; returns its hash."""
    draft = path.with_suffix(".dump")
    schema_load.dump(scratch.target(rehearsal, name), tools, scratch.environment("canonical"), draft, _SECONDS)
    return of_dump(rehearsal, draft, locale, tools, path)


def of_dump(rehearsal: Rehearsal, dump: Path, locale: Locale, tools: Tools, path: Path) -> str:
    """The same for a dump in custom format, which may be of another server; its roles must exist here."""
    with scratch.session(rehearsal, "template1", "canonical") as connection:
        major = connection.info.server_version // 10000
        drop = SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(Identifier(_DATABASE))
        try:
            connection.execute(drop)
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(_DATABASE)) + locale.options(major))
            target = scratch.target(rehearsal, _DATABASE)
            schema_load.restore(dump, target, tools, major, _SECONDS)
            _print(rehearsal, tools, path)
        except psycopg.Error as error:
            raise classify.running(error, "making a schema canonical") from None
        finally:
            with suppress(psycopg.Error):
                connection.execute(drop)
    with path.open("rb") as lines:
        return schema.hash_of(lines)


def _print(rehearsal: Rehearsal, tools: Tools, path: Path) -> None:
    target = scratch.target(rehearsal, _DATABASE)
    command = [tools.pg_dump, "--schema-only", *schema_load.LEFT_OUT, *connection_arguments(target)]
    child = Child(command, scratch.environment("canonical"))
    try:
        assert child.process.stdout is not None
        with io.BufferedReader(child.process.stdout, CHUNK_BYTES) as lines, path.open("wb") as out:  # type: ignore[type-var]
            out.writelines(schema.what_counts(lines))
        code, stderr = child.wait()
    finally:
        child.kill()
    path.chmod(0o644)
    said = complaints(stderr)
    if code != 0 or said:
        raise schema.cannot_dump(code, said)
