"""DBM_CONFIG: the JSON that tells a runner what to do. It holds no secrets; errors name the field."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROGRAMS = ("inspect", "backup", "gate", "guard", "load", "report")
OF_REHEARSALS = ("load", "report")
CHECKSUM_MODES = ("Auto", "FullObject", "WhenRequired")
VERIFY_MODES = ("Stream", "ReadBack")


@dataclass(frozen=True)
class ConnectionNames:
    """Names of the application's variables: either ``url`` alone, or ``host`` and what else there is."""

    url: str = ""
    host: str = ""
    port: str = ""
    user: str = ""
    password: str = ""
    database: str = ""


@dataclass(frozen=True)
class SessionRules:
    """Which sessions of others do not matter (application names), and how long to wait for the rest (seconds)."""

    ignore: tuple[str, ...] = ()
    timeout_seconds: float = 120.0


@dataclass(frozen=True)
class Store:
    """Where dumps go. ``endpoint`` empty means the public service of ``region``; ``ca_file`` a PEM bundle."""

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    ca_file: str = ""
    checksums: str = "Auto"
    server_side_encryption: str = ""
    kms_key_id: str = ""


@dataclass(frozen=True)
class BackupRules:
    """How a dump is compressed (``method:level``) and verified."""

    verify: str = "Stream"
    compression: str = "zstd:1"


@dataclass(frozen=True)
class ExpectedManifest:
    """The backup that must exist: the manifest's key and the SHA-256 of the dump (hex)."""

    key: str
    sha256: str


@dataclass(frozen=True)
class Expectation:
    """What the database was when the plan was made; ``None`` and "" mean: not compared."""

    revisions: frozenset[str] | None = None
    schema_hash: str = ""
    database_id: str = ""
    manifest: ExpectedManifest | None = None


@dataclass(frozen=True)
class Rehearsal:
    """The scratch server: its folder and port, and what ``load`` puts there.

    ``hostaddr`` is where the real database was found ("" where the name may be looked up), ``names`` are the names by
    which the application calls it, ``data_of`` the tables that are loaded with their rows.
    """

    folder: str
    port: int
    database: str
    role: str
    hostaddr: str = ""
    names: tuple[str, ...] = ()
    data_of: tuple[str, ...] = ()
    timeout_seconds: float = 600.0


@dataclass(frozen=True)
class Config:
    """One program's instructions. ``end_sessions_of`` are addresses of Pods whose sessions inspect ends first."""

    program: str
    namespace: str
    name: str
    uid: str
    run: str
    attempt: int
    connection: ConnectionNames
    version_table: str
    target: str
    deadline_seconds: float
    sessions: SessionRules
    online: bool
    store: Store | None
    backup: BackupRules
    expect: Expectation
    lock_timeout_seconds: float
    end_sessions_of: tuple[str, ...] = ()
    rehearsal: Rehearsal | None = None


def parse(text: str) -> Config:
    """Read the JSON text of DBM_CONFIG. Raises ConfigError (InvalidConfig) that names the field."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise _invalid("DBM_CONFIG", f"is not JSON ({error})") from None
    if not isinstance(raw, dict):
        raise _invalid("DBM_CONFIG", "is not a JSON object")
    fields = _Fields(raw, "")
    program = fields.choice("program", PROGRAMS)
    return Config(
        program=program,
        namespace=fields.required("namespace"),
        name=fields.required("name"),
        uid=fields.required("uid"),
        run=fields.required("run"),
        attempt=int(fields.number("attempt", 1)),
        # What reports on a rehearsal has none of the application's variables.
        connection=ConnectionNames() if program == "report" else _connection(fields.section("connection")),
        version_table=fields.text("versionTable", "alembic_version"),
        target=fields.text("target", "heads"),
        deadline_seconds=fields.number("deadlineSeconds", 3600),
        sessions=_sessions(fields.section("sessions")),
        online=fields.flag("online"),
        store=_store(fields.section("store")),
        backup=_backup(fields.section("backup")),
        expect=_expectation(fields.section("expect")),
        lock_timeout_seconds=fields.number("lockTimeoutSeconds", 5),
        end_sessions_of=fields.texts("endSessionsOf"),
        rehearsal=_rehearsal(fields.section("rehearsal"), needed=program in OF_REHEARSALS),
    )


def _connection(fields: _Fields | None) -> ConnectionNames:
    if fields is None:
        raise _invalid("connection", "is missing")
    names = ConnectionNames(*(fields.text(key, "") for key in ("url", "host", "port", "user", "password", "database")))
    if bool(names.url) == bool(names.host):
        raise _invalid("connection", "needs either url or host (the names of variables), and not both")
    return names


def _sessions(fields: _Fields | None) -> SessionRules:
    if fields is None:
        return SessionRules()
    return SessionRules(fields.texts("ignore"), fields.number("timeoutSeconds", 120))


def _store(fields: _Fields | None) -> Store | None:
    if fields is None:
        return None
    return Store(
        bucket=fields.required("bucket"),
        prefix=fields.text("prefix", "").strip("/"),
        endpoint=fields.text("endpoint", ""),
        region=fields.text("region", ""),
        ca_file=fields.text("caFile", ""),
        checksums=fields.choice("checksums", CHECKSUM_MODES, "Auto"),
        server_side_encryption=fields.text("serverSideEncryption", ""),
        kms_key_id=fields.text("kmsKeyID", ""),
    )


def _backup(fields: _Fields | None) -> BackupRules:
    if fields is None:
        return BackupRules()
    return BackupRules(fields.choice("verify", VERIFY_MODES, "Stream"), fields.text("compression", "zstd:1"))


def _expectation(fields: _Fields | None) -> Expectation:
    if fields is None:
        return Expectation()
    manifest = fields.section("manifest")
    database = fields.section("database")
    return Expectation(
        revisions=frozenset(fields.texts("revisions")) if fields.has("revisions") else None,
        schema_hash=fields.text("schemaHash", ""),
        database_id=database.text("id", "") if database else "",
        manifest=ExpectedManifest(manifest.required("key"), manifest.required("sha256")) if manifest else None,
    )


def _rehearsal(fields: _Fields | None, *, needed: bool) -> Rehearsal | None:
    if fields is None:
        if needed:
            raise _invalid("rehearsal", "is missing")
        return None
    return Rehearsal(
        folder=fields.text("folder", "/dbm-scratch").rstrip("/"),
        port=int(fields.number("port", 5432)),
        database=fields.required("database"),
        role=fields.required("role"),
        hostaddr=fields.text("hostaddr", ""),
        names=fields.texts("names"),
        data_of=fields.texts("dataOf"),
        timeout_seconds=fields.number("timeoutSeconds", 600),
    )


class _Fields:
    """Typed access to one JSON object; ``path`` is where it stands, for messages."""

    def __init__(self, raw: Mapping[str, Any], path: str) -> None:
        self._raw = raw
        self._path = path

    def has(self, key: str) -> bool:
        return self._raw.get(key) is not None

    def text(self, key: str, default: str) -> str:
        value = self._raw.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise _invalid(self._path + key, f"must be a string, not {type(value).__name__}")
        return value or default

    def required(self, key: str) -> str:
        value = self.text(key, "")
        if not value:
            raise _invalid(self._path + key, "is missing")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str = "") -> str:
        value = self.text(key, default)
        if value not in allowed:
            raise _invalid(self._path + key, f"must be one of {', '.join(allowed)}, not {value!r}")
        return value

    def number(self, key: str, default: float) -> float:
        value = self._raw.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise _invalid(self._path + key, f"must be a number of 0 or more, not {value!r}")
        return float(value)

    def flag(self, key: str) -> bool:
        value = self._raw.get(key, False)
        if not isinstance(value, bool):
            raise _invalid(self._path + key, f"must be true or false, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._raw.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise _invalid(self._path + key, "must be a list of strings")
        return tuple(value)

    def section(self, key: str) -> _Fields | None:
        value = self._raw.get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise _invalid(self._path + key, "must be an object")
        return _Fields(value, f"{self._path}{key}.")


def _invalid(field: str, problem: str) -> ConfigError:
    return ConfigError(
        "InvalidConfig",
        f"{field} {problem}.",
        "DBM_CONFIG is written by the operator: the runner and operator images may be of different versions.",
    )
