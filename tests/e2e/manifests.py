"""Objects of the end-to-end tests, as dictionaries: the servers that all tests share, and one application each."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

SERVERS = "e2e-servers"
OLD_IMAGE = "dbmigrations/e2e-histories:dev"
NEW_IMAGE = "dbmigrations/e2e-histories:next"
"""The same programs under another name: what the application runs before and after."""
S3_KEYS = {"AWS_ACCESS_KEY_ID": "e2e-access-key", "AWS_SECRET_ACCESS_KEY": "e2e-only-secret-key-of-the-store"}
S3_ENDPOINT = f"http://s3.{SERVERS}.svc:7070"
POSTGRES_HOST = f"postgres.{SERVERS}.svc"
LABEL = {"dbmigrations.dev/e2e": "app"}
"""Namespaces with this label are swept away when a session begins."""

CONTAINER_SECURITY: Json = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
POD_SECURITY: Json = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}

DEMO = Path(__file__).resolve().parents[2] / "deploy" / "demo" / "manifests"


def merged(base: Json, overrides: Json) -> Json:
    """Return a deep copy of `base` with `overrides` merged in; None removes a key, lists are replaced."""
    result = copy.deepcopy(base)
    for key, value in overrides.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def namespace(name: str, labels: Json) -> Json:
    """A namespace under the strictest Pod Security standard, as the demonstration's is."""
    strict = {"pod-security.kubernetes.io/enforce": "restricted"}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {**strict, **labels}}}


def secret(name: str, space: str, values: Json) -> Json:
    """A Secret from plain texts."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": space},
        "stringData": values,
    }


def servers() -> list[Json]:
    """PostgreSQL and the S3 store as the demonstration has them, and a Pod that holds the histories."""
    found = [namespace(SERVERS, {})]
    found.append(secret("postgres", SERVERS, {"superuser-password": "e2e-superuser", "shop-password": "e2e-shop"}))
    found.append(secret("s3", SERVERS, S3_KEYS))
    for name in ("20-postgres.yaml", "21-s3.yaml"):
        for item in yaml.safe_load_all((DEMO / name).read_text()):
            item["metadata"]["namespace"] = SERVERS
            found.append(item)
    by_name = {item["metadata"]["name"]: item for item in found if "template" in item.get("spec", {})}
    postgres = by_name["postgres"]["spec"]["template"]["spec"]["containers"][0]
    # Nothing here must outlive a crash of the machine, and two processors serve everything.
    options = ("max_connections=300", "fsync=off", "full_page_writes=off", "autovacuum_naptime=1h")
    postgres["args"] = ["postgres", *(part for option in options for part in ("-c", option))]
    found.append(_histories())
    return found


def _histories() -> Json:
    """A Pod in which `alembic upgrade` brings a database to where a test begins."""
    container = {
        "name": "histories",
        "image": OLD_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    labels = {"app": "histories"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "histories", "namespace": SERVERS},
        "spec": {
            "selector": {"matchLabels": labels},
            "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }


def workload(kind: str, space: str, image: str, replicas: int, env: list[Json], name: str = "app") -> Json:
    """The application: a web server whose /readyz is the probe's, and whose readiness in the cluster is /healthz."""
    container = {
        "name": "app",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "/histories/web.py"],
        "env": env,
        "ports": [{"name": "http", "containerPort": 8000}],
        # Ready within a second; after that, asking each Pod every second would be a load of its own.
        "startupProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 1, "failureThreshold": 120},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}, "periodSeconds": 5},
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": POD_SECURITY,
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
    }
    labels = {"app": name}
    spec: Json = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


def service(space: str, name: str = "app") -> Json:
    """The Service in front of the application, port 8000."""
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 8000, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": spec}


def migration(space: str, kind: str, history: str, target: str, image: str = NEW_IMAGE) -> Json:
    """The minimal DatabaseMigration of an application, named `m`, with shorter timeouts than by default."""
    spec = {
        "migration": {
            "podFrom": {"kind": kind, "name": "app"},
            "image": image,
            "target": target,
            "workingDir": f"/histories/{history}",
            "connectionEnv": {"url": "DATABASE_URL"},
        },
        "workloads": [{"kind": kind, "name": "app"}],
        # What a rehearsal would find beforehand must be survived without one, too; its own tests ask for it.
        "rehearsal": {"mode": "Skip"},
        "backup": {
            "s3": {"bucket": "backups", "endpoint": S3_ENDPOINT, "credentialsFrom": {"secretRef": {"name": "s3"}}}
        },
        "probe": {
            "http": {
                "service": "app",
                "port": 8000,
                "path": "/readyz",
                "expectJSON": {"status": "ready", "database": "connected"},
            },
            "timeout": "1m",
        },
        "sessions": {"timeout": "15s"},
        "resume": {"timeout": "1m"},
    }
    return {
        "apiVersion": "dbmigrations.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": {"name": "m", "namespace": space},
        "spec": spec,
    }
