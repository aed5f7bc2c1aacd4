"""Errors of psycopg as reasons that a person can act on.

While a connection is opened libpq has no SQLSTATE to offer, only text: the server's part of it is matched in English,
which is what servers speak unless lc_messages was changed; what is not recognised is passed on as it is.
"""

from __future__ import annotations

import re

import psycopg

from dbmigrations.runner.errors import DatabaseError

_CREDENTIALS = "Check user and password in the Secret that the application's variables come from."
_HBA = "The server's pg_hba.conf has no entry for this user, database, source network and encryption."
_TLS = "Check sslmode and the CA bundle that the application's variables name, and that the bundle is mounted."
_NOT_POSTGRES = (
    "What answers there does not speak PostgreSQL's protocol: check host and port in the application's variables."
)
_NAME = "The host name does not resolve from this namespace: check the host in the application's variables."
_AWAY = "Nothing answers there as PostgreSQL: check host and port, that the server runs, and network policies."
_FULL = "The server has no free connection for this role: raise the limit, or close idle sessions."

# First match wins: (texts of libpq or the server, reason, transient, hint).
_CONNECTING: tuple[tuple[tuple[str, ...], str, bool, str], ...] = (
    (
        (
            "password authentication failed",
            "no password supplied",
            "SASL authentication failed",
            'role ".*" does not exist',
            "is not permitted to log in",
            "authentication failed for user",
            "certificate authentication",
            "server requested .* authentication",
            "fe_sendauth",
            "SCRAM",
        ),
        "AuthenticationFailed",
        False,
        _CREDENTIALS,
    ),
    (("local user with ID",), "AuthenticationFailed", False, "The application's variables name no user."),
    (("no pg_hba.conf entry", "pg_hba.conf rejects"), "AuthenticationFailed", False, _HBA),
    (
        ('database ".*" does not exist',),
        "DatabaseNotFound",
        False,
        "Check the database's name in the application's variables.",
    ),
    (
        ("permission denied for database", "does not have CONNECT privilege"),
        "AuthenticationFailed",
        False,
        "GRANT CONNECT ON DATABASE to the application's role.",
    ),
    (
        ("too many clients", "remaining connection slots", "too many connections for (role|database)"),
        "ConnectionsExhausted",
        True,
        _FULL,
    ),
    (
        (
            "the database system is (starting up|shutting down|in recovery mode|not (yet )?accepting connections)",
            "is not currently accepting connections",
            "terminating connection due to administrator command",
        ),
        "DatabaseUnreachable",
        True,
        "The server is starting or stopping.",
    ),
    (
        (
            "invalid response to (SSL|GSSAPI) negotiation",
            "expected authentication request from server",
            "unsupported frontend protocol",
            "invalid length of startup packet",
        ),
        "NotPostgreSQL",
        False,
        _NOT_POSTGRES,
    ),
    (
        ("certificate", "server does not support SSL", "SSL error", "sslmode", "SSL negotiation"),
        "TLSFailed",
        False,
        _TLS,
    ),
    (
        (
            "could not translate host name",
            "Name or service not known",
            "failure in name resolution",
            "No address associated",
        ),
        "DatabaseUnreachable",
        True,
        _NAME,
    ),
    (
        (
            "Connection refused",
            "timeout expired",
            "timed out",
            "No route to host",
            "is unreachable",
            "server closed the connection",
            "Connection reset",
            "could not connect",
            "connection to server .* failed: *$",
            "No such file or directory",
            "connection is bad",
            "could not (receive|send) data",
        ),
        "DatabaseUnreachable",
        True,
        _AWAY,
    ),
    (("invalid", "missing"), "InvalidURL", False, "The application's variables do not make a valid connection."),
)

# SQLSTATE classes and codes of running sessions: (prefix, reason, transient, hint). First match wins.
_STATES: tuple[tuple[str, str, bool, str], ...] = (
    ("28", "AuthenticationFailed", False, _CREDENTIALS),
    ("3D000", "DatabaseNotFound", False, "Check the database's name in the application's variables."),
    ("53300", "ConnectionsExhausted", True, _FULL),
    ("57P", "DatabaseUnreachable", True, "The server ended the session: it is stopping, starting or failing over."),
    ("08", "DatabaseUnreachable", True, "The connection was lost."),
    ("57014", "DatabaseSlow", True, "A query of ours took longer than its time limit: look for locks and load."),
    ("55P03", "DatabaseBusy", True, "A lock could not be had in time: look for long transactions."),
    ("53", "DatabaseOverloaded", True, "The server is out of memory, disk or other resources."),
    ("42501", "PermissionDenied", False, "Grant the application's role what the message names."),
)


def connecting(error: psycopg.Error, place: str = "") -> DatabaseError:
    """A failure to open a connection to ``place`` (host:port): libpq's own text does not always name it."""
    by_state = _by_state(error)
    if by_state is not None:
        return by_state
    text = _one_line(str(error))
    failed = f"Connecting to the database{f' at {place}' if place else ''} failed"
    for patterns, reason, transient, hint in _CONNECTING:
        if any(re.search(pattern, text, re.IGNORECASE) for pattern in patterns):
            return DatabaseError(reason, f"{failed}: {text}", hint, transient=transient)
    hint = "The message comes from the server or from libpq; check the application's connection variables."
    return DatabaseError("ConnectionFailed", f"{failed}: {text}", hint)


def running(error: psycopg.Error, doing: str) -> DatabaseError:
    """A failure of a statement or of the session that ran it; ``doing`` completes "The database failed while …"."""
    by_state = _by_state(error, f"While {doing}: ")
    if by_state is not None:
        return by_state
    text = _one_line(str(error))
    if isinstance(error, psycopg.OperationalError):
        return DatabaseError(
            "DatabaseUnreachable", f"The connection was lost while {doing}: {text}", "Is the server up?", transient=True
        )
    return DatabaseError("DatabaseFailed", f"The database reported an error while {doing}: {text}")


def _by_state(error: psycopg.Error, before: str = "") -> DatabaseError | None:
    for prefix, reason, transient, hint in _STATES:
        if error.sqlstate and error.sqlstate.startswith(prefix):
            return DatabaseError(reason, f"{before}{_one_line(str(error))}", hint, transient=transient)
    return None


def _one_line(text: str) -> str:
    return " ".join(text.split())
