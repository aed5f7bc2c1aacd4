"""Where the database is, from the application's own variables.

The result is a set of libpq keywords. What the application leaves out is filled by libpq from PGHOST, PGPASSWORD and so
on, in this process and in pg_dump's, exactly as in the application's container.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from psycopg import pq
from psycopg.conninfo import make_conninfo
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from dbmigrations.runner.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import URL

    from dbmigrations.runner.config import ConnectionNames

_POSTGRES = ("postgresql", "postgres")
_SECRET_KEYWORDS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")
_OURS = ("application_name", "fallback_application_name", "client_encoding", "replication")
# asyncpg and pg8000 know names of their own; what is not listed configures the driver, not the connection.
_ASYNCPG_QUERY = {
    "host": "host",
    "port": "port",
    "passfile": "passfile",
    "target_session_attrs": "target_session_attrs",
}
_ASYNCPG_SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}


@dataclass(frozen=True)
class Target:
    """How to reach the database: libpq keywords without empty ones, and the scheme that the application wrote."""

    params: Mapping[str, str]
    scheme: str
    ignored: tuple[str, ...] = ()
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def public_conninfo(self) -> str:
        """A connection string that may stand on a command line: it has no secrets."""
        shown = {key: value for key, value in self.params.items() if key not in _SECRET_KEYWORDS}
        return make_conninfo("", **shown)


def resolve(names: ConnectionNames, environ: Mapping[str, str]) -> Target:
    """Build the target from the variables that ``names`` names. Raises ConfigError."""
    if names.url:
        return from_url(_variable(names.url, environ).strip(), names.url)
    return _from_parts(names, environ)


def from_url(text: str, variable: str) -> Target:
    """Build the target from a database URL as SQLAlchemy reads it; errors name ``variable``, never the URL."""
    url = _parse(text, variable)
    family, _, driver = url.drivername.partition("+")
    if family not in _POSTGRES:
        raise ConfigError(
            "NotPostgreSQL",
            f"The URL in {variable} is for {family!r}, and only PostgreSQL can be migrated.",
            f"Let {variable} hold a postgresql:// URL, or name another variable in spec.migration.connectionEnv.",
        )
    if url.host and "@" in url.host:
        # Never quote it: what stands before the last @ is a part of the password.
        raise _bad_url(variable, "has more than one @ before the host", "Write @ in the user or password as %40.")
    params: dict[str, str] = {}
    ignored = _read_query(url, driver, params)
    given = {"host": url.host, "user": url.username, "password": url.password, "dbname": url.database}
    params.update({key: value for key, value in given.items() if value})
    if url.port is not None:
        params["port"] = str(url.port)
    return _target(params, url.drivername, ignored)


def _parse(text: str, variable: str) -> URL:
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        pass  # the library's message may quote the URL
    shape = "postgresql://user:password@host:5432/database"
    raise _bad_url(
        variable,
        f"is not a database URL such as {shape}",
        "Characters like @ : / % in a user or password are written as %40 %3A %2F %25; the port is a number.",
    )


def _bad_url(variable: str, problem: str, hint: str) -> ConfigError:
    return ConfigError("InvalidURL", f"The value of {variable} {problem}.", hint)


def _read_query(url: URL, driver: str, params: dict[str, str]) -> list[str]:
    """Take over the URL's ?options; returns the names of those that are not libpq's."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    ignored = []
    hosts: list[str] = []
    for key, value in url.query.items():
        values = [value] if isinstance(value, str) else list(value)
        if key == "host":
            hosts = values
        elif key == "ssl" and driver == "asyncpg":
            params["sslmode"] = _ASYNCPG_SSL.get(values[-1].lower(), values[-1])
        elif driver == "asyncpg" and key in _ASYNCPG_QUERY:
            params[_ASYNCPG_QUERY[key]] = ",".join(values)
        elif driver in ("asyncpg", "pg8000") or key not in known:
            ignored.append(key)
        elif key not in _OURS:
            params[key] = ",".join(values)
    _spread_hosts(hosts, params)
    return ignored


def _spread_hosts(hosts: list[str], params: dict[str, str]) -> None:
    """``?host=a:1&host=b:2`` is SQLAlchemy's way to name several servers; libpq wants two lists."""
    if len(hosts) == 1 and (hosts[0].startswith("/") or ":" not in hosts[0]):
        params["host"] = hosts[0]
    elif hosts:
        pairs = [host.rpartition(":") if ":" in host else (host, "", "") for host in hosts]
        params["host"] = ",".join(name for name, _, _ in pairs)
        if any(port for _, _, port in pairs):
            params["port"] = ",".join(port for _, _, port in pairs)


def _from_parts(names: ConnectionNames, environ: Mapping[str, str]) -> Target:
    params = {"host": _variable(names.host, environ).strip()}
    keywords = {"port": names.port, "user": names.user, "password": names.password, "dbname": names.database}
    for keyword, variable in keywords.items():
        if variable:
            value = _variable(variable, environ)
            params[keyword] = value if keyword == "password" else value.strip()
    if names.port and not params["port"].isdigit():
        raise ConfigError(
            "InvalidURL",
            f"The value of {names.port} is not a port number.",
            "Kubernetes sets variables like DB_PORT=tcp://… for a Service named db: set enableServiceLinks: false, "
            "or name another variable in spec.migration.connectionEnv.port.",
        )
    return _target(params, "postgresql", [])


def _variable(name: str, environ: Mapping[str, str]) -> str:
    value = environ.get(name, "")
    if not value.strip():
        state = "is empty" if name in environ else "is not set"
        raise ConfigError(
            "VariableMissing",
            f"The variable {name} {state} in the application's container.",
            "Name the variable in which the application finds its database in spec.migration.connectionEnv, "
            "or set it in the Pod template that spec.migration.podFrom refers to.",
        )
    return value


def _target(params: dict[str, str], scheme: str, ignored: list[str]) -> Target:
    secrets = tuple(value for key, value in params.items() if key in _SECRET_KEYWORDS and value)
    if "sslpassword" in params:
        raise ConfigError(
            "InvalidURL",
            "The connection uses sslpassword, which pg_dump can only be given on its command line.",
            "Mount the client key without a passphrase.",
        )
    return Target(params, scheme, tuple(ignored), secrets)
