"""Statuses that real runs produced: the end-to-end tests save them, the tests of the health script judge them.

They are not committed: every machine captures its own. A folder left by an earlier run is emptied by `start_over`.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).resolve().parent / "captured"

NOISE = ("managedFields", "selfLink")
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def save(name: str, obj: Json) -> Path:
    """Write a DatabaseMigration as the API server returned it to captured/<name>.json and return the path.

    `name` says what the resource shows, such as "ready" or "stalled-wrong-password"; the same name replaces.
    Raises ValueError for something else than a DatabaseMigration.
    """
    if obj.get("kind") != "DatabaseMigration":
        found = obj.get("kind")
        message = (
            f"captured/{name}: a DatabaseMigration was expected, not {found!r}; pass the whole object, with its kind"
        )
        raise ValueError(message)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(without_noise(obj), indent=1, sort_keys=True) + "\n")
    return path


def without_noise(obj: Json) -> Json:
    """Return a copy without what no health check reads: managed fields and kubectl's annotation."""
    kept = copy.deepcopy(obj)
    metadata = kept["metadata"]
    for field in NOISE:
        metadata.pop(field, None)
    annotations = metadata.get("annotations", {})
    annotations.pop(LAST_APPLIED, None)
    if not annotations:
        metadata.pop("annotations", None)
    return kept


def load() -> dict[str, Json]:
    """Return every captured object by its name, in the order of the names; empty before the end-to-end tests ran."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}


def start_over() -> None:
    """Remove what an earlier run captured."""
    for path in FOLDER.glob("*.json"):
        path.unlink()
