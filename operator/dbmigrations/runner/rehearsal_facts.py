"""What a rehearsal has to know of the application's surroundings, without a secret: where it finds its database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import URL, make_url

from dbmigrations.runner import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrations.runner.catalogue import Identity
    from dbmigrations.runner.config import ConnectionNames
    from dbmigrations.runner.database import Connection

PASSWORD = "rehearsal"  # noqa: S105 - the scratch server asks for none
NAMED_SECRETS = 40
_SECRET = frozenset(["password", "sslpassword", "passfile", "service", "servicefile", "oauth_client_secret"])
_FILES = frozenset(["sslrootcert", "sslcert", "sslkey", "sslcrl", "sslcrldir"])
_PLACE = frozenset(["host", "port", "hostaddr", "user", "dbname"])
# Ways to prove who one is, of which the scratch server asks for none.
_PROOF = frozenset(["channel_binding", "require_auth", "requirepeer", "sslcertmode", "gssencmode"])


def facts(
    connection: Connection, identity: Identity, names: ConnectionNames, environ: Mapping[str, str]
) -> dict[str, Any]:
    """Facts for the rehearsal. ``secretNames`` are variables that the application has from whole Secrets."""
    info = connection.info
    from_secrets = secrets.names(environ)
    found: dict[str, Any] = {
        "address": {"host": info.host, "hostaddr": info.hostaddr, "port": info.port},
        "rehearsal": {"url": url(names, environ, identity, info.host, info.port)},
        "secretNames": from_secrets[:NAMED_SECRETS],
    }
    if len(from_secrets) > NAMED_SECRETS:
        found["secretNamesMore"] = len(from_secrets) - NAMED_SECRETS
    return found


def url(names: ConnectionNames, environ: Mapping[str, str], identity: Identity, host: str, port: int) -> str:
    """The application's URL with another password and without credentials' files; its scheme and options stay."""
    given = make_url(environ[names.url].strip()) if names.url else URL.create("postgresql")
    options: dict[str, Any] = {}
    for key, value in given.query.items():
        if key in _SECRET | _FILES | _PLACE | _PROOF:
            continue
        verified = key in ("sslmode", "ssl") and str(value).startswith("verify")
        options[key] = "require" if verified else value
    made = URL.create(
        given.drivername,
        username=identity.role,
        password=PASSWORD,
        # A socket's folder is none that the scratch server could have: it is reached by its address.
        host="localhost" if host.startswith("/") else host,
        port=port,
        database=identity.database,
        query=options,
    )
    return made.render_as_string(hide_password=False)
