"""The roles of a server, carried to the scratch server: attributes, memberships, settings; never a password.

Connection limits and expiry dates are left out: nobody logs in there but the rehearsed command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.sql import SQL, Composed, Identifier, Literal

from dbmigrations.runner import classify
from dbmigrations.runner.database import fetch_all
from dbmigrations.runner.scratch import SUPERUSER

if TYPE_CHECKING:
    from dbmigrations.runner.database import Connection

_ATTRIBUTES = ("SUPERUSER", "INHERIT", "CREATEROLE", "CREATEDB", "LOGIN", "BYPASSRLS", "REPLICATION")
# They name files or folders of the real server, or would change what our log of statements shows.
_NOT_CARRIED = ("default_tablespace", "temp_tablespaces", "local_preload_libraries", "session_preload_libraries")
_NOT_CARRIED_SILENTLY = ("log_", "track_", "event_triggers", "debug_print_")


@dataclass(frozen=True)
class Setting:
    """``ALTER ROLE role IN DATABASE … SET name``; ``role`` is "" for all, ``here`` says: in this database only."""

    role: str
    here: bool
    name: str
    value: str


@dataclass(frozen=True)
class Roles:
    """As the real server has them. ``members`` are (role, member, admin, inherit, set); None: not known before 16."""

    roles: list[tuple[Any, ...]]
    members: list[tuple[str, str, bool, bool | None, bool | None]]
    settings: list[Setting]


def read(connection: Connection) -> Roles:
    """Everything that any role may read. Raises DatabaseError."""
    roles = fetch_all(
        connection,
        """
        SELECT r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolbypassrls,
               r.rolreplication
        FROM pg_catalog.pg_roles r WHERE r.rolname !~ '^pg_' AND r.rolname <> %s ORDER BY 1
        """,
        (SUPERUSER,),
        doing="reading the roles",
    )
    options = "bool_or(m.inherit_option), bool_or(m.set_option)"
    if connection.info.server_version < 160000:
        options = "NULL::bool, NULL::bool"
    # The same membership can have been granted by several roles.
    members = fetch_all(
        connection,
        f"""
        SELECT r.rolname, u.rolname, bool_or(m.admin_option), {options}
        FROM pg_catalog.pg_auth_members m
        JOIN pg_catalog.pg_roles r ON r.oid = m.roleid JOIN pg_catalog.pg_roles u ON u.oid = m.member
        WHERE u.rolname !~ '^pg_' AND u.rolname <> %s GROUP BY 1, 2 ORDER BY 1, 2
        """,  # noqa: S608
        (SUPERUSER,),
        doing="reading the memberships",
    )
    settings = fetch_all(
        connection,
        """
        SELECT coalesce(r.rolname, ''), s.setdatabase <> 0, split_part(c, '=', 1), substr(c, strpos(c, '=') + 1)
        FROM pg_catalog.pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
        WHERE (s.setrole = 0 OR r.rolname IS NOT NULL) AND (s.setdatabase = 0 OR s.setdatabase =
              (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()))
        ORDER BY 1, 2, 3
        """,
        doing="reading the settings of roles",
    )
    return Roles(roles, [tuple(row) for row in members], [Setting(*row) for row in settings])


def create(scratch: Connection, roles: Roles) -> list[str]:
    """Create them on the scratch server; returns what could not be carried. Raises DatabaseError."""
    warnings = []
    try:
        for name, *flags in roles.roles:
            words = [word if on else f"NO{word}" for word, on in zip(_ATTRIBUTES, flags, strict=True)]
            scratch.execute(SQL("CREATE ROLE {} ").format(Identifier(name)) + SQL(" ".join(words)))
        known = {row[0] for row in fetch_all(scratch, "SELECT rolname FROM pg_catalog.pg_roles", doing="listing roles")}
        for role, member, admin, inherit, may_set in roles.members:
            if role in known:
                scratch.execute(_grant(scratch, role, member, admin=admin, inherit=inherit, may_set=may_set))
            else:
                warnings.append(f"the scratch server has no role {role}, of which {member} is a member")
    except psycopg.Error as error:
        raise classify.running(error, "creating the roles on the scratch server") from None
    return warnings


def _grant(
    scratch: Connection, role: str, member: str, *, admin: bool, inherit: bool | None, may_set: bool | None
) -> Composed | SQL:
    options = ["ADMIN OPTION"] if admin else []
    if scratch.info.server_version >= 160000:
        options = ["ADMIN TRUE"] if admin else []
        given = {"INHERIT": inherit, "SET": may_set}
        options += [f"{word} {str(value).upper()}" for word, value in given.items() if value is not None]
    grant = SQL("GRANT {} TO {}").format(Identifier(role), Identifier(member))
    return grant + SQL(" WITH " + ", ".join(options)) if options else grant


def apply_settings(scratch: Connection, database: str, settings: list[Setting]) -> list[str]:
    """Set what roles and the database have set; returns what the scratch server does not know."""
    warnings = []
    for setting in settings:
        if setting.name.startswith(_NOT_CARRIED_SILENTLY):
            continue
        whom = setting.role or "the database"
        if setting.name in _NOT_CARRIED:
            warnings.append(f"{setting.name} of {whom} was left out")
            continue
        try:
            with scratch.transaction():
                if setting.name == "search_path":
                    # A list: the server reads it as it stored it.
                    query = "SELECT pg_catalog.set_config('search_path', %s, true)"
                    scratch.execute(query, (setting.value,))
                scratch.execute(_alter(database, setting))
        except psycopg.Error as error:
            warnings.append(f"{setting.name} of {whom} could not be set: {' '.join(str(error).split())[:100]}")
    return warnings


def _alter(database: str, setting: Setting) -> Composed | SQL:
    here = SQL(" IN DATABASE {}").format(Identifier(database)) if setting.here else SQL("")
    if setting.role:
        whose: Composed | SQL = SQL("ALTER ROLE {}").format(Identifier(setting.role)) + here
    else:
        whose = SQL("ALTER DATABASE {}").format(Identifier(database)) if setting.here else SQL("ALTER ROLE ALL")
    name = SQL(".").join(Identifier(part) for part in setting.name.split("."))
    if setting.name == "search_path":
        return whose + SQL(" SET {} FROM CURRENT").format(name)
    return whose + SQL(" SET {} TO {}").format(name, Literal(setting.value))
