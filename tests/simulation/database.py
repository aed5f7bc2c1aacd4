"""A tiny model of the database and the bucket: what a program would report, and what must never happen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
State = tuple[tuple[str, ...], int, int]
"""Version rows, number of the schema, committed changes of rows by migrations."""


@dataclass
class Database:
    """What is in the database. `served` counts what the application writes, `resets` restarts of the server."""

    revisions: tuple[str, ...] = ("0004",)
    schema: int = 4
    migrated_rows: int = 0
    served: int = 0
    resets: int = 0
    invalid: tuple[str, ...] = ()
    locked_by: str = ""
    sessions: dict[str, str] = field(default_factory=dict)
    """Sessions of migrations: address of the Pod to its name."""

    @property
    def state(self) -> State:
        """What a dump would hold, and what decides which application fits."""
        return self.revisions, self.schema, self.migrated_rows

    def fingerprint(self) -> Json:
        """Return the fingerprint that a program reports."""
        return {
            "revisions": list(self.revisions),
            "schema": f"schema-{self.schema}",
            "invalidIndexes": list(self.invalid),
            "invalid": ",".join(self.invalid),
            "files": f"files-{self.schema}",
            "changes": f"changes-{self.served}-{self.migrated_rows}",
            "resets": f"resets-{self.resets}",
        }


@dataclass
class Bucket:
    """Verified dumps by the key of their manifest: the state that each holds."""

    dumps: dict[str, State] = field(default_factory=dict)


def ok(**facts: Any) -> Json:
    """A report of a program that did what it should."""
    return {"v": 1, "ok": True, "facts": facts}


def failed(reason: str, message: str = "", *, transient: bool = False, hint: str = "Mend it.", **facts: Any) -> Json:
    """A report of a program that could not."""
    return {
        "v": 1,
        "ok": False,
        "reason": reason,
        "message": message or f"{reason} happened",
        "hint": hint,
        "transient": transient,
        "facts": facts,
    }


def rehearsed(database: Database, *, code: int = 0, **facts: Any) -> Json:
    """What a rehearsal reports of a command that does what it should; `code` is its exit code."""
    there = database.revisions == ("0005",)
    return ok(
        **{
            "revisions": ["0005"],
            "versionTableRead": True,
            "connected": True,
            "statements": 0 if there else 3,
            "transactions": 0 if there else 1,
            "commits": "Nothing" if there else "Once",
            "schema": "c5",
            "schemaChanged": not there,
            "error": None,
            "plan": {"lines": 3, "sha256": "ab" * 32, "truncated": False},
            "exitCode": code,
            **facts,
        }
    )


def inspected(database: Database) -> Json:
    """What Inspect reports."""
    return ok(
        serverVersion="17.6",
        serverMajor=17,
        sizeBytes=5_000_000,
        database="shop",
        identity={"id": "identity-1"},
        revisions=list(database.revisions),
        fingerprint=database.fingerprint(),
        backupMemoryBytes=2**28,
        warnings=[],
        role="shop_app",
        address={"host": "db", "hostaddr": "10.0.0.5", "port": 5432},
        rehearsal={"url": "postgresql://shop_app:rehearsal@db:5432/shop"},
        secretNames=["SECRET_KEY"],
    )
