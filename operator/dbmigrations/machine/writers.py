"""Who wrote a field last, from managedFields: a fight over replicas is ended sooner by a name."""

from __future__ import annotations

from typing import Any


def replica_writer(workload: dict[str, Any]) -> str:
    """Return the field manager that owns spec.replicas, or `somebody` (through /scale nobody owns it)."""
    for entry in workload.get("metadata", {}).get("managedFields", []):
        if "f:replicas" in entry.get("fieldsV1", {}).get("f:spec", {}):
            return str(entry.get("manager", "somebody"))
    return "somebody"
