"""Whether the database is at the version that this release was written for.

The answer is a comparison of two sets: the heads of the revisions in this image, and the rows of the version table.
Anything but equality means that queries may read or write the wrong thing, so the application does not serve.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

from shop import settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

APP = Path(__file__).resolve().parent.parent


class WrongSchemaError(Exception):
    """The database is at a version that this release cannot work with; the text says which."""


@cache
def wanted() -> frozenset[str]:
    """Return the revisions that this release works on: the heads of its own scripts."""
    return frozenset(_scripts().get_heads())


@cache
def known() -> frozenset[str]:
    """Return every revision that this image has a script for."""
    return frozenset(script.revision for script in _scripts().walk_revisions())


def found(connection: Connection) -> frozenset[str]:
    """Return the revisions that the database says it is at; empty where it has no version table."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return frozenset()
    return frozenset(connection.scalars(text("SELECT version_num FROM alembic_version")))


def check(connection: Connection) -> None:
    """Raise WrongSchemaError unless the database is exactly at the version that this release works on."""
    actual = found(connection)
    if actual == wanted():
        return
    needs = f"shop {settings.version()} needs {_names(wanted())}"
    if not actual:
        raise WrongSchemaError(f"the database has no schema yet; {needs}")
    if actual - known():
        raise WrongSchemaError(f"the schema is at {_names(actual)}, which this release does not know; {needs}")
    raise WrongSchemaError(f"the schema is at {_names(actual)}, which is too old; {needs}")


def _names(revisions: frozenset[str]) -> str:
    return ", ".join(sorted(revisions))


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(Config(APP / "alembic.ini"))
