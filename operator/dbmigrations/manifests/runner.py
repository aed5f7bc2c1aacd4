"""Containers that run the project's own programs, with exactly the application container's environment and files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.source import PodSource

PYTHON = "/opt/dbmigrations/bin/python"
RUN_VOLUME = {"name": "dbm-run", "emptyDir": {"sizeLimit": "16Mi"}}
TMP_VOLUME = {"name": "dbm-tmp", "emptyDir": {"sizeLimit": "256Mi"}}
CA_PATH = "/dbm-store-ca/ca.pem"
NOBODY = 65532
"""The user of the runner's image."""


@dataclass(frozen=True)
class Runner:
    """The runner's image as the operator's settings name it."""

    image: str
    pull_policy: str = "IfNotPresent"


def runner_container(
    runner: Runner, spec: Spec, source: PodSource, program: str, config: Json, *, store: bool, memory: str
) -> Json:
    """Return a container for one program; with `store`, and only then, it has the bucket's credentials."""
    env = [*merged_env(spec, source), {"name": "DBM_CONFIG", "value": json.dumps(config, sort_keys=True)}]
    mounts = list(source.container.get("volumeMounts", []))
    taken = {mount["mountPath"].rstrip("/") for mount in mounts}
    if "/tmp" not in taken:  # noqa: S108 - a path in the container
        mounts.append({"name": "dbm-tmp", "mountPath": "/tmp"})  # noqa: S108
    mounts.append({"name": "dbm-run", "mountPath": "/dbm-run"})
    if not any(item["name"] == "HOME" for item in env):
        env.append({"name": "HOME", "value": "/tmp"})  # noqa: S108
    if store and spec.s3:
        env += store_env(spec.s3)
        if "caFrom" in spec.s3:
            mounts.append({"name": "dbm-store-ca", "mountPath": "/dbm-store-ca", "readOnly": True})
    return {
        "name": program,
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
        # -I: the application's PYTHON* variables and user site must not reach the runner's interpreter.
        "command": [PYTHON, "-I", "-m", "dbmigrations.runner", program],
        "env": env,
        "envFrom": merged_env_from(spec, source),
        "volumeMounts": mounts,
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": memory}},
        "securityContext": _security(source),
        "terminationMessagePolicy": "File",
    }


def merged_env(spec: Spec, source: PodSource) -> list[Any]:
    """The application's variables, those of the manifest in their place or behind them."""
    mine = {item["name"]: item for item in spec.migration.get("env", [])}
    merged = [mine.pop(item["name"], item) for item in source.container.get("env", [])]
    return [*merged, *mine.values()]


def merged_env_from(spec: Spec, source: PodSource) -> list[Any]:
    """The application's envFrom, then the manifest's."""
    return [*source.container.get("envFrom", []), *spec.migration.get("envFrom", [])]


def store_env(s3: Json) -> list[Json]:
    """Credentials by Secret reference, under names of our own: the application may have AWS_* variables for itself."""
    if "credentialsFrom" not in s3:
        return []
    secret = s3["credentialsFrom"]["secretRef"]["name"]

    def reference(name: str, key: str, *, optional: bool = False) -> Json:
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key, "optional": optional}}}

    return [
        reference("DBM_S3_ACCESS_KEY_ID", "AWS_ACCESS_KEY_ID"),
        reference("DBM_S3_SECRET_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY"),
        reference("DBM_S3_SESSION_TOKEN", "AWS_SESSION_TOKEN", optional=True),
    ]


def runner_volumes(spec: Spec, source: PodSource, *, claims: bool, store: bool) -> list[Json]:
    """Volumes of a Pod with runner containers; without `claims`, a PersistentVolumeClaim becomes an empty folder.

    A claim may be bound to the application's node (ReadWriteOnce) while the application still runs there.
    """
    found = [
        volume if claims or "persistentVolumeClaim" not in volume else {"name": volume["name"], "emptyDir": {}}
        for volume in source.volumes
    ]
    found += [RUN_VOLUME, TMP_VOLUME]
    if store and spec.s3 and (ca := spec.s3.get("caFrom")):
        if secret := ca.get("secretKeyRef"):
            item = {"secretName": secret["name"], "items": [{"key": secret["key"], "path": "ca.pem"}]}
            found.append({"name": "dbm-store-ca", "secret": item})
        else:
            config = ca["configMapKeyRef"]
            item = {"name": config["name"], "items": [{"key": config["key"], "path": "ca.pem"}]}
            found.append({"name": "dbm-store-ca", "configMap": item})
    return found


def _security(source: PodSource) -> Json:
    """Restricted, with the application's user id where it has one (its files may be readable by nobody else)."""
    theirs = source.container.get("securityContext", {})
    pod = source.pod.get("securityContext", {})
    security: Json = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    user = theirs.get("runAsUser", pod.get("runAsUser"))
    if user == 0:
        security["runAsUser"] = NOBODY
    elif "runAsUser" in theirs:
        security["runAsUser"] = user
    if "runAsGroup" in theirs:
        security["runAsGroup"] = theirs["runAsGroup"]
    return security
