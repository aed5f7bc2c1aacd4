"""What the API server refuses in a status: a bug of the operator shall not be stored."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

CONDITION: Json = {
    "type": "Ready",
    "status": "True",
    "reason": "Migrated",
    "message": "the database is at 0008",
    "lastTransitionTime": "2026-11-22T02:14:07Z",
    "observedGeneration": 1,
}


def condition(**changes: Any) -> Json:
    """A status with one condition, changed; None removes a member."""
    changed = {key: value for key, value in {**CONDITION, **changes}.items() if value is not None}
    return {"conditions": [changed]}


STATUS_REFUSALS: tuple[tuple[Json, str, str], ...] = (
    *(
        (condition(**{member: None}), f"status.conditions[0].{member}", "Required value")
        for member in ("type", "status", "reason", "message", "lastTransitionTime")
    ),
    (
        condition(status="Maybe"),
        "status.conditions[0].status",
        'Unsupported value: "Maybe": supported values: "True", "False", "Unknown"',
    ),
    (
        condition(lastTransitionTime="yesterday"),
        "status.conditions[0].lastTransitionTime",
        'must be of type date-time: "yesterday"',
    ),
    ({"conditions": [CONDITION, CONDITION]}, "status.conditions[1]", 'Duplicate value: {"type":"Ready"}'),
    ({"history": [{}] * 11}, "status.history", "Too many: 11: must have at most 10 items"),
)
