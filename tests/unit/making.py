"""Objects for tests: manifests with the CRD's own defaults, workloads, Jobs and Pods as the API server returns them."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from dbmigrations.api.names import GROUP, KIND, VERSION
from dbmigrations.api.spec import Spec, parse_spec

Json = dict[str, Any]

SPACE, NAME, UID = "shop", "to-1-5", "0f5c1c1e-1111-4222-8333-944455566677"
OLD, NEW = "shop:1.4.0", "shop:1.5.0"


@cache
def _schema() -> Json:
    path = Path(__file__).parents[2] / "crds" / "databasemigrations.yaml"
    crd = yaml.safe_load(path.read_text())
    schema: Json = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def with_defaults(value: Any, schema: Json | None = None) -> Any:
    """Fill in defaults as the API server does (structural defaulting: top down, objects and lists)."""
    schema = _schema() if schema is None else schema
    if isinstance(value, dict):
        filled = dict(value)
        for key, inner in schema.get("properties", {}).items():
            if key not in filled and "default" in inner:
                filled[key] = copy.deepcopy(inner["default"])
            if key in filled:
                filled[key] = with_defaults(filled[key], inner)
        return filled
    if isinstance(value, list):
        return [with_defaults(item, schema.get("items", {})) for item in value]
    return value


def merged(base: Json, changes: Json) -> Json:
    """Return `base` with `changes` merged in; None removes a key."""
    found = dict(base)
    for key, value in changes.items():
        if value is None:
            found.pop(key, None)
        elif isinstance(value, dict) and isinstance(found.get(key), dict):
            found[key] = merged(found[key], value)
        else:
            found[key] = value
    return found


MINIMAL: Json = {
    "migration": {
        "podFrom": {"kind": "Deployment", "name": "shop-api"},
        "image": NEW,
        "target": "0005",
        "connectionEnv": {"url": "DATABASE_URL"},
    },
    "workloads": [{"kind": "Deployment", "name": "shop-api"}],
    # Said where it is what a test is about: the other steps are the same with and without.
    "rehearsal": {"mode": "Skip"},
    "backup": {"s3": {"bucket": "backups", "credentialsFrom": {"secretRef": {"name": "s3"}}}},
    "probe": {
        "http": {
            "service": "shop-api",
            "port": 8000,
            "path": "/readyz",
            "expectJSON": {"status": "ready", "database": "connected"},
        }
    },
}


def raw_spec(changes: Json | None = None) -> Json:
    """The minimal manifest's specification, changed, with the CRD's defaults."""
    filled: Json = with_defaults(merged(MINIMAL, changes or {}))
    return filled


def spec(changes: Json | None = None) -> Spec:
    """The same, parsed."""
    return parse_spec(raw_spec(changes))


def manifest(changes: Json | None = None, *, name: str = NAME, uid: str = UID, generation: int = 1) -> Json:
    """A DatabaseMigration as the API server returns it."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "metadata": {"namespace": SPACE, "name": name, "uid": uid, "generation": generation, "resourceVersion": "1"},
        "spec": raw_spec(changes),
        "status": {"observedGeneration": -1},
    }


def workload(
    name: str = "shop-api",
    kind: str = "Deployment",
    *,
    replicas: int = 3,
    image: str = OLD,
    container: Json | None = None,
    pod: Json | None = None,
) -> Json:
    """A workload that is up and settled."""
    main = {
        "name": "app",
        "image": image,
        "env": [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": "db", "key": "url"}}}],
        **(container or {}),
    }
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"namespace": SPACE, "name": name, "uid": f"uid-{name}", "generation": 1, "resourceVersion": "7"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [main], **(pod or {})}},
        },
        "status": {
            "observedGeneration": 1,
            "replicas": replicas,
            "readyReplicas": replicas,
            "updatedReplicas": replicas,
        },
    }


def service(name: str = "shop-api", port: int = 8000, **changes: Any) -> Json:
    """The Service that the probe asks."""
    body = {"selector": {"app": name}, "ports": [{"port": port}], **changes}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": SPACE, "name": name}, "spec": body}
