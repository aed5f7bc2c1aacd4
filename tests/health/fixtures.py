"""Writes the folder that Argo CD's own repository would take: resource_customizations/<group>/<kind>.

    python3 -m tests.health.fixtures      from the statuses that the end-to-end tests captured on this machine,
                                          or from the examples made by hand where there are none

The expected health comes from rules.py, never from the script itself; a test runs the script over the result.
"""

from __future__ import annotations

import shutil
from typing import Any

import yaml
from tests.health import capture
from tests.health.argo import ARGOCD, health
from tests.health.examples import EXAMPLES
from tests.health.rules import deciding

TARGET = ARGOCD / "resource_customizations" / "dbmigrations.dev" / "DatabaseMigration"
EXAMPLES_KEPT = (
    "schema-default",
    "ready-of-an-older-generation",
    "reconciling",
    "ready",
    "stalled",
    "suspended",
    "deleting",
)


def write() -> list[str]:
    """Write health_test.yaml and testdata anew (health.lua is a link) and return the names of the statuses."""
    captured = capture.load()
    # Suspended, deletion and an older generation are states that pass quickly, or that no run of today produces.
    statuses = {name: EXAMPLES[name][0] for name in EXAMPLES_KEPT if name not in captured} | captured
    shutil.rmtree(TARGET / "testdata", ignore_errors=True)
    (TARGET / "testdata").mkdir(parents=True)
    tests = []
    for name, obj in sorted(statuses.items()):
        file = f"testdata/{name}.yaml"
        (TARGET / file).write_text(yaml.safe_dump(reduced(obj), sort_keys=False, width=120))
        word, _ = deciding(obj)
        tests.append({"healthStatus": {"status": word, "message": health(obj).message}, "inputPath": file})
    (TARGET / "health_test.yaml").write_text(yaml.safe_dump({"tests": tests}, sort_keys=False, width=120))
    return sorted(statuses)


def reduced(obj: dict[str, Any]) -> dict[str, Any]:
    """Leave out what differs between two clusters and means nothing to the script."""
    kept = capture.without_noise(obj)
    for field in ("uid", "resourceVersion", "creationTimestamp"):
        kept["metadata"].pop(field, None)
    return kept


if __name__ == "__main__":
    print(f"{len(write())} statuses written to {TARGET}")
