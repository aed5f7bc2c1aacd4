"""Containers that run the project's own programs, with exactly the application container's environment and files."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.source import PodSource

PYTHON = "/opt/dbmigrations/bin/python"
RUN_VOLUME = {"name": "dbm-run", "emptyDir": {"sizeLimit": "16Mi"}}
TMP_VOLUME = {"name": "dbm-tmp", "emptyDir": {"sizeLimit": "256Mi"}}
RUN_MOUNT = {"name": "dbm-run", "mountPath": "/dbm-run"}
TMP_MOUNT = {"name": "dbm-tmp", "mountPath": "/tmp"}  # noqa: S108 - a path in the container
CA_PATH = "/dbm-store-ca/ca.pem"
NOBODY = 65532
"""The user of the runner's image."""


@dataclass(frozen=True)
class Scratch:
    """Where migrations are rehearsed: images of PostgreSQL by major version, `seconds` for all of it, disk space."""

    images: Mapping[int, str] = field(default_factory=dict)
    pull_policy: str = "IfNotPresent"
    seconds: float = 600.0
    size: str = "1Gi"


@dataclass(frozen=True)
class Runner:
    """The images of Jobs as the operator's settings name them."""

    image: str
    pull_policy: str = "IfNotPresent"
    scratch: Scratch = field(default_factory=Scratch)


def program_container(runner: Runner, program: str, config: Json, *, memory: str) -> Json:
    """Return a container for one program, with nothing of the application."""
    return {
        "name": program,
        "image": runner.image,
        "imagePullPolicy": runner.pull_policy,
        # -I: the application's PYTHON* variables and user site must not reach the runner's interpreter.
        "command": [PYTHON, "-I", "-m", "dbmigrations.runner", program],
        "env": [{"name": "DBM_CONFIG", "value": json.dumps(config, sort_keys=True)}],
        "volumeMounts": [TMP_MOUNT, RUN_MOUNT],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": memory}},
        "securityContext": restricted(),
        "terminationMessagePolicy": "File",
    }


def runner_container(
    runner: Runner, spec: Spec, source: PodSource, program: str, config: Json, *, store: bool, memory: str
) -> Json:
    """Return a container for one program in the application's surroundings.

    With `store`, and only then, it has the bucket's credentials.
    """
    container = program_container(runner, program, config, memory=memory)
    env = [*merged_env(spec, source), *container["env"]]
    mounts = list(source.container.get("volumeMounts", []))
    taken = {mount["mountPath"].rstrip("/") for mount in mounts}
    if TMP_MOUNT["mountPath"] not in taken:
        mounts.append(TMP_MOUNT)
    mounts.append(RUN_MOUNT)
    if not any(item["name"] == "HOME" for item in env):
        env.append({"name": "HOME", "value": "/tmp"})  # noqa: S108 - a path in the container
    if store and spec.s3:
        env += store_env(spec.s3)
        if "caFrom" in spec.s3:
            mounts.append({"name": "dbm-store-ca", "mountPath": "/dbm-store-ca", "readOnly": True})
    container["securityContext"] |= _user(source)
    return {**container, "env": env, "envFrom": merged_env_from(spec, source), "volumeMounts": mounts}


def merged_env(spec: Spec, source: PodSource) -> list[Any]:
    """The application's variables, those of the manifest in their place or behind them."""
    mine = {item["name"]: item for item in spec.migration.get("env", [])}
    merged = [mine.pop(item["name"], item) for item in source.container.get("env", [])]
    return [*merged, *mine.values()]


def merged_env_from(spec: Spec, source: PodSource) -> list[Any]:
    """The application's envFrom, then the manifest's."""
    return [*source.container.get("envFrom", []), *spec.migration.get("envFrom", [])]


def named_secrets(env_from: list[Any]) -> list[Any]:
    """Return the Secrets of envFrom once more, under a prefix by which Inspect tells whose variables they are."""
    secrets = [item for item in env_from if "secretRef" in item]
    return [{**item, "prefix": f"DBM_SECRET_{number}_{item.get('prefix', '')}"} for number, item in enumerate(secrets)]


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


def restricted() -> Json:
    """Return the security context that the restricted Pod Security Standard asks for."""
    return {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _user(source: PodSource) -> Json:
    """The application's user id where it has one: its files may be readable by nobody else."""
    theirs = source.container.get("securityContext", {})
    pod = source.pod.get("securityContext", {})
    found: Json = {}
    user = theirs.get("runAsUser", pod.get("runAsUser"))
    if user == 0:
        found["runAsUser"] = NOBODY
    elif "runAsUser" in theirs:
        found["runAsUser"] = user
    if "runAsGroup" in theirs:
        found["runAsGroup"] = theirs["runAsGroup"]
    return found
