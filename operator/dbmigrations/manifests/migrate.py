"""The Migrate Pod: gate lets it start, guard holds the lock and watches, the application's image migrates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.manifests.command import command_container, with_options
from dbmigrations.manifests.pods import pod_fields
from dbmigrations.manifests.runner import merged_env, merged_env_from, runner_container, runner_volumes

if TYPE_CHECKING:
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.runner import Runner
    from dbmigrations.manifests.source import PodSource

GATE, GUARD = "gate", "guard"
ARMED = "/dbm-run/armed"
GRACE_SECONDS = 90
"""Time for the guard's last report after the migration ended: sessions gone, schema dumped."""
_ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"


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
    main = command_container(
        spec,
        source,
        env=with_options(spec, merged_env(spec, source)),
        env_from=merged_env_from(spec, source),
        mounts=source.container.get("volumeMounts", []),
    )
    pod = pod_fields(spec, source)
    volumes = runner_volumes(spec, source, claims=True, store=spec.backup)
    if spec.migration.get("serviceAccountName"):
        # Asked for by name: the migration itself may need the API. Gate and guard never get the token.
        volumes.append(_token_volume())
        main["volumeMounts"].append({"name": "dbm-token", "mountPath": _ACCOUNT_FOLDER, "readOnly": True})
    return {
        **pod,
        # As PID 1 Alembic would ignore SIGTERM and commit (docs/decisions.md).
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [gate, guard],
        "containers": [main],
        "volumes": volumes,
    }


def _token_volume() -> Json:
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
    ]
    return {"name": "dbm-token", "projected": {"sources": sources}}
