"""A valid manifest, and changes of it: a map from dotted paths to values."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.cluster.cluster import Answer, Cluster

Json = dict[str, Any]
Patch = dict[str, Any]

GONE: Any = object()
"""The value that removes a field."""

VALID: Json = {
    "apiVersion": "dbmigrations.dev/v1alpha1",
    "kind": "DatabaseMigration",
    "metadata": {"name": "shop"},
    "spec": {
        "migration": {
            "podFrom": {"kind": "Deployment", "name": "shop-api"},
            "image": "shop:1.5.0",
            "connectionEnv": {"url": "DATABASE_URL"},
        },
        "workloads": [{"kind": "Deployment", "name": "shop-api"}],
        "backup": {"s3": {"bucket": "backups"}},
    },
}


def patched(patch: Patch) -> Json:
    """Return the valid manifest with the values at these paths, under `spec` unless a path says otherwise."""
    found = copy.deepcopy(VALID)
    for path, value in patch.items():
        *parents, last = (
            path.split(".") if path.startswith("metadata") or path == "spec" else ["spec", *path.split(".")]
        )
        node = found
        for name in parents:
            node = node.setdefault(name, {})
        if value is GONE:
            node.pop(last, None)
        else:
            node[last] = copy.deepcopy(value)
    return found


def resources(space: str) -> str:
    """The path of a namespace's DatabaseMigrations."""
    return f"/apis/dbmigrations.dev/v1alpha1/namespaces/{space}/databasemigrations"


def try_to_create(cluster: Cluster, space: str, manifest: Json, *, validation: str = "Strict") -> Answer:
    """Ask the API server whether it would take a manifest; nothing is stored."""
    return cluster.request("POST", f"{resources(space)}?dryRun=All&fieldValidation={validation}", manifest)
