"""The rules of the health script once more, in Python: an independent opinion on captured statuses."""

from __future__ import annotations

from typing import Any

WORDS = {"Stalled": "Degraded", "Suspended": "Suspended", "Reconciling": "Progressing", "Ready": "Healthy"}
"""The condition that decides when it is True, in this order, and Argo CD's word for it."""


def deciding(obj: dict[str, Any]) -> tuple[str, dict[str, Any] | None]:
    """Return Argo CD's word for a DatabaseMigration and the condition that decided, if one did."""
    status = obj.get("status", {})
    if "deletionTimestamp" in obj["metadata"] or status.get("observedGeneration") != obj["metadata"]["generation"]:
        return "Progressing", None
    conditions = {item["type"]: item for item in status.get("conditions", [])}
    for kind, word in WORDS.items():
        if conditions.get(kind, {}).get("status") == "True":
            return word, conditions[kind]
    return "Progressing", conditions.get("Ready")
