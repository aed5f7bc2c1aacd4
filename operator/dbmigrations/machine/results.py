"""What the runner's programs report in their termination message: one JSON object of at most 2 KiB.

An unreadable or missing message is a lost fact (None), never a guess.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from dbmigrations.api.run import Backup, Fingerprint, Inspection
from dbmigrations.api.wire import from_wire

Json = dict[str, Any]


@dataclass(frozen=True)
class Result:
    """One program's report."""

    ok: bool
    reason: str = ""
    message: str = ""
    hint: str = ""
    transient: bool = False
    facts: Json = field(default_factory=dict)


def parse_result(text: str) -> Result | None:
    """Read a termination message; None where it is not one of ours, or was cut."""
    try:
        raw = json.loads(text)
        if raw["v"] != 1:
            return None
        return Result(
            bool(raw["ok"]),
            str(raw.get("reason", "")),
            str(raw.get("message", "")),
            str(raw.get("hint", "")),
            bool(raw.get("transient", False)),
            dict(raw.get("facts", {})),
        )
    except (ValueError, KeyError, TypeError):
        return None


def fingerprint_of(result: Result | None) -> Fingerprint | None:
    """Return the fingerprint in a report, if there is one."""
    raw = result.facts.get("fingerprint") if result else None
    return from_wire(Fingerprint, raw) if raw else None


def inspection_of(result: Result) -> Inspection:
    """Return what Inspect saw beside the fingerprint."""
    facts = result.facts
    address, rehearsal = facts.get("address", {}), facts.get("rehearsal", {})
    return Inspection(
        server_version=str(facts.get("serverVersion", "")),
        size_bytes=int(facts.get("sizeBytes", 0)),
        database=str(facts.get("database", "")),
        identity=str(facts.get("identity", {}).get("id", "")),
        backup_memory_bytes=int(facts.get("backupMemoryBytes", 0)),
        warnings=tuple(str(item) for item in facts.get("warnings", ())),
        server_major=int(facts.get("serverMajor", 0)),
        role=str(facts.get("role", "")),
        host=str(address.get("host", "")),
        address=str(address.get("hostaddr", "")),
        port=int(address.get("port", 0)),
        url=str(rehearsal.get("url", "")),
        secret_names=tuple(str(item) for item in facts.get("secretNames", ())),
    )


def backup_of(result: Result) -> Backup:
    """Return the dump of a Backup report. Raises TypeError where the report lacks its place."""
    notes = (result.facts.get(key) for key in ("verifyNote", "compressionNote"))
    return from_wire(Backup, {**result.facts, "note": "; ".join(note for note in notes if note)})
