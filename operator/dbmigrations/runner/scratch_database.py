"""The database itself on the scratch server: same name, owner, encoding, locale and privileges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from dbmigrations.runner import classify, scratch
from dbmigrations.runner.database import fetch_all, fetch_one
from dbmigrations.runner.errors import RehearsalError

if TYPE_CHECKING:
    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.database import Connection

_PROVIDERS = {"c": "libc", "i": "icu", "b": "builtin"}


@dataclass(frozen=True)
class Locale:
    """How text is stored and sorted; ``provider`` is libc, icu or builtin, ``locale`` what the latter two want."""

    encoding: str
    collate: str
    ctype: str
    provider: str = "libc"
    locale: str = ""
    rules: str = ""

    def options(self, major: int) -> Composed:
        """The options of CREATE DATABASE in this major version."""
        options = SQL(" TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}").format(
            Literal(self.encoding), Literal(self.collate), Literal(self.ctype)
        )
        if self.provider == "builtin":
            options += SQL(" LOCALE_PROVIDER builtin BUILTIN_LOCALE {}").format(Literal(self.locale))
        elif self.provider == "icu":
            options += SQL(" LOCALE_PROVIDER icu ICU_LOCALE {}").format(Literal(self.locale))
            if self.rules and major >= 16:
                options += SQL(" ICU_RULES {}").format(Literal(self.rules))
        else:
            options += SQL(" LOCALE_PROVIDER libc")
        return options


@dataclass(frozen=True)
class Database:
    """As the real server has it. ``grants`` are (grantee or "" for all, privilege, grantable); None: the default."""

    owner: str
    locale: Locale
    grants: list[tuple[str, str, bool]] | None


def read(connection: Connection) -> Database:
    """The connected database. Raises DatabaseError."""
    major = connection.info.server_version // 10000
    locale = "d.datlocale" if major >= 17 else "d.daticulocale"
    rules = "d.daticurules" if major >= 16 else "NULL"
    row = fetch_one(
        connection,
        f"""
        SELECT pg_catalog.pg_get_userbyid(d.datdba), pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate,
               d.datctype, d.datlocprovider, coalesce({locale}, ''), coalesce({rules}, ''), d.datacl IS NULL
        FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()
        """,  # noqa: S608
        doing="reading the database's locale",
    )
    owner, encoding, collate, ctype, provider, wanted, its_rules, default = row
    grants = fetch_all(
        connection,
        """
        SELECT coalesce(r.rolname, ''), a.privilege_type, a.is_grantable
        FROM pg_catalog.pg_database d CROSS JOIN pg_catalog.aclexplode(d.datacl) a
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee
        WHERE d.datname = pg_catalog.current_database() AND (a.grantee = 0 OR r.rolname IS NOT NULL)
        """,
        doing="reading the database's privileges",
    )
    known = Locale(encoding, collate, ctype, _PROVIDERS.get(provider, "libc"), wanted, its_rules)
    return Database(owner, known, None if default else [(row[0], row[1], row[2]) for row in grants])


def create(rehearsal: Rehearsal, database: Database) -> tuple[Locale, list[str]]:
    """Create it; returns its locale, which can be a simpler one, and why. Raises RehearsalError or DatabaseError."""
    name = rehearsal.database
    # A database is dropped and created from another one.
    place = "postgres" if name == "template1" else "template1"
    with scratch.session(rehearsal, place, "load") as connection:
        if name in ("postgres", "template1"):
            _run(connection, SQL("ALTER DATABASE {} IS_TEMPLATE false").format(Identifier(name)))
            _run(connection, SQL("DROP DATABASE {}").format(Identifier(name)))
        locale, warnings = _create(connection, name, database)
        if database.grants is not None:
            _run(connection, SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(Identifier(name)))
            for grantee, privilege, grantable in database.grants:
                whom = Identifier(grantee) if grantee else SQL("PUBLIC")
                grant = SQL("GRANT {} ON DATABASE {} TO {}").format(SQL(privilege), Identifier(name), whom)
                _run(connection, grant + SQL(" WITH GRANT OPTION") if grantable else grant)
    return locale, warnings


def _create(connection: Connection, name: str, database: Database) -> tuple[Locale, list[str]]:
    wanted = database.locale
    simpler = [
        Locale(wanted.encoding, text, text) for text in ("C.UTF-8", "C") if text == "C" or wanted.encoding == "UTF8"
    ]
    major = connection.info.server_version // 10000
    problem = ""
    for locale in (wanted, *simpler):
        query = SQL("CREATE DATABASE {} OWNER {}").format(Identifier(name), Identifier(database.owner))
        try:
            connection.execute(query + locale.options(major))
        except psycopg.OperationalError as error:
            raise classify.running(error, "creating the database on the scratch server") from None
        except psycopg.Error as error:
            problem = problem or " ".join(str(error).split())[:120]
            continue
        if locale is wanted:
            return locale, []
        return locale, [f"the scratch image lacks the database's locale ({problem}): {locale.collate} is used"]
    raise RehearsalError(
        "RehearsalLoadFailed",
        f"The database {name} could not be created on the scratch server: {problem}.",
        "Set spec.rehearsal.image to an image of the same PostgreSQL version with that locale, or "
        "spec.rehearsal.mode: Skip.",
    )


def _run(connection: Connection, statement: Composed | SQL) -> None:
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        raise classify.running(error, "preparing the database on the scratch server") from None
