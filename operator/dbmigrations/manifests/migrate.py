"""The Migrate Pod: gate lets it start, guard holds the lock and watches, the application's image migrates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.manifests.pods import pod_fields
from dbmigrations.manifests.runner import merged_env, merged_env_from, runner_container, runner_volumes

if TYPE_CHECKING:
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.runner import Runner
    from dbmigrations.manifests.source import PodSource

GATE, GUARD, MAIN = "gate", "guard", "migrate"
ARMED = "/dbm-run/armed"
GRACE_SECONDS = 90
"""Time for the guard's last report after the migration ended: sessions gone, schema dumped."""
CONNECTION_CHECK = "500ms"
"""client_connection_check_interval: a backend whose client was killed ends within twice this time."""


def migrate_pod(runner: Runner, spec: Spec, source: PodSource, config: Json) -> Json:
    """Return the Pod's spec; `config` is the gate's, the guard gets the same without the bucket."""
    gate = runner_container(runner, spec, source, GATE, config, store=spec.backup, memory="256Mi")
    guard_config = {**config, "program": GUARD, "store": None}
    guard = runner_container(runner, spec, source, GUARD, guard_config, store=False, memory="256Mi")
    guard["restartPolicy"] = "Always"
    # The main container is held back until the lock is taken; a startupProbe would do so in whole seconds.
    guard["lifecycle"] = {
        "postStart": {"exec": {"command": ["/bin/sh", "-c", f"until [ -e {ARMED} ]; do sleep 0.05; done"]}}
    }
    pod = pod_fields(spec, source)
    volumes = runner_volumes(spec, source, claims=True, store=spec.backup)
    if spec.migration.get("serviceAccountName"):
        # Asked for by name: the migration itself may need the API. Gate and guard never get the token.
        volumes.append(_token_volume())
    return {
        **pod,
        # As PID 1 Alembic would ignore SIGTERM and commit (docs/decisions.md).
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [gate, guard],
        "containers": [_main(spec, source)],
        "volumes": volumes,
    }


def _main(spec: Spec, source: PodSource) -> Json:
    theirs, migration = source.container, spec.migration
    mounts = list(theirs.get("volumeMounts", []))
    security = theirs.get("securityContext", {})
    env = _main_env(spec, source)
    if security.get("readOnlyRootFilesystem") and "/tmp" not in {m["mountPath"].rstrip("/") for m in mounts}:  # noqa: S108
        mounts.append({"name": "dbm-tmp", "mountPath": "/tmp"})  # noqa: S108
        if not any(item["name"] == "HOME" for item in env):
            env.append({"name": "HOME", "value": "/tmp"})  # noqa: S108
    if migration.get("serviceAccountName"):
        path = "/var/run/secrets/kubernetes.io/serviceaccount"
        mounts.append({"name": "dbm-token", "mountPath": path, "readOnly": True})
    main: Json = {
        "name": MAIN,
        "image": spec.image,
        "command": migration["command"],
        "env": env,
        "envFrom": merged_env_from(spec, source),
        "volumeMounts": mounts,
        # Its log may hold anything, so it never becomes a message: only the guard speaks.
        "terminationMessagePolicy": "File",
        "terminationMessagePath": "/dev/termination-log",
    }
    if directory := migration.get("workingDir") or theirs.get("workingDir"):
        main["workingDir"] = directory
    if policy := migration.get("imagePullPolicy") or theirs.get("imagePullPolicy"):
        main["imagePullPolicy"] = policy
    if security:
        main["securityContext"] = security
    if "resources" in migration:
        main["resources"] = migration["resources"]
    return main


def _main_env(spec: Spec, source: PodSource) -> list[Any]:
    """The application's variables, with the target and libpq's options merged into those that the user set."""
    env = merged_env(spec, source)
    options = [
        f"-c lock_timeout={spec.lock_timeout}s",
        f"-c statement_timeout={spec.statement_timeout}s",
        f"-c client_connection_check_interval={CONNECTION_CHECK}",
    ]
    theirs = [item for item in env if item["name"] == "PGOPTIONS"]
    env = [item for item in env if item["name"] != "PGOPTIONS"]
    if theirs:
        env.append({**theirs[-1], "name": "DBM_USER_PGOPTIONS"})
        options.insert(0, "$(DBM_USER_PGOPTIONS)")
    env.append({"name": "PGOPTIONS", "value": " ".join(options)})
    if not any(item["name"] == "PGAPPNAME" for item in env):
        env.append({"name": "PGAPPNAME", "value": "dbmigrations"})
    return [*[item for item in env if item["name"] != "DBM_TARGET"], {"name": "DBM_TARGET", "value": spec.target}]


def _token_volume() -> Json:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    return {"name": "dbm-token", "projected": {"sources": sources}}
