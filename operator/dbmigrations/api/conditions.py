"""Conditions after the API conventions and kstatus: a missing one is Unknown, a time moves only with its status."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

TRUE, FALSE, UNKNOWN = "True", "False", "Unknown"

READY, RECONCILING, STALLED, SUSPENDED = "Ready", "Reconciling", "Stalled", "Suspended"
INSPECTED, REHEARSED, QUIESCED, BACKUP_VERIFIED = "Inspected", "Rehearsed", "Quiesced", "BackupVerified"
MIGRATED, SCHEMA_CLEAN, RESUMED, PROBED = "Migrated", "SchemaClean", "Resumed", "Probed"

FACTS = (INSPECTED, REHEARSED, QUIESCED, BACKUP_VERIFIED, MIGRATED, SCHEMA_CLEAN, RESUMED, PROBED)
"""Facts of the current run, in the order in which they become known."""

SUMMARY = (READY, RECONCILING, STALLED, SUSPENDED)


@dataclass(frozen=True)
class Condition:
    """One condition; `since` is the lastTransitionTime (RFC 3339), empty until it is written."""

    type: str
    status: str
    reason: str
    message: str
    since: str = ""
    generation: int = 0

    def to_dict(self) -> dict[str, object]:
        """Return it as metav1.Condition is written."""
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "lastTransitionTime": self.since,
            "observedGeneration": self.generation,
        }


@dataclass(frozen=True)
class Conditions:
    """An ordered set of conditions."""

    items: tuple[Condition, ...] = ()

    def get(self, kind: str) -> Condition:
        """Return the condition of that type, Unknown where there is none."""
        for item in self.items:
            if item.type == kind:
                return item
        return Condition(kind, UNKNOWN, "NotObserved", "")

    def is_true(self, kind: str) -> bool:
        """Tell whether that condition is True."""
        return self.get(kind).status == TRUE

    def set(self, changes: Iterable[Condition], now: str, generation: int) -> Conditions:
        """Return the set with these conditions; a time stays where the status did not change."""
        merged = {item.type: item for item in self.items}
        for change in changes:
            old = merged.get(change.type)
            since = old.since if old and old.status == change.status else now
            merged[change.type] = replace(change, since=since, generation=generation)
        order = {kind: at for at, kind in enumerate((*SUMMARY, *FACTS))}
        return Conditions(tuple(sorted(merged.values(), key=lambda item: order.get(item.type, len(order)))))

    def to_list(self) -> list[dict[str, object]]:
        """Return them as the status holds them."""
        return [item.to_dict() for item in self.items]


def parse_conditions(raw: list[dict[str, object]]) -> Conditions:
    """Read the conditions of a status."""
    return Conditions(
        tuple(
            Condition(
                str(item["type"]),
                str(item["status"]),
                str(item["reason"]),
                str(item["message"]),
                str(item["lastTransitionTime"]),
                int(str(item.get("observedGeneration", 0))),
            )
            for item in raw
        )
    )
