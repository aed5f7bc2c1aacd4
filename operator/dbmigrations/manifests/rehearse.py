"""The Rehearse Pod: a throwaway PostgreSQL with the real schema, and the application's own image migrating it.

In order: `scratch` (the server, a sidecar), `load` (the only one with credentials; it has ended before the
application's command starts), `report` (a sidecar that tells what happened), and the application's image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import PASSWD
from dbmigrations.manifests.command import command_container, with_options
from dbmigrations.manifests.pods import pod_fields
from dbmigrations.manifests.redirect import host_aliases, redirected, scratch_port
from dbmigrations.manifests.runner import (
    TMP_MOUNT,
    program_container,
    restricted,
    runner_container,
    runner_volumes,
)
from dbmigrations.manifests.scratch import START_SCRIPT
from dbmigrations.manifests.stripped import stripped_env, stripped_env_from, stripped_files

if TYPE_CHECKING:
    from dbmigrations.api.run import Inspection
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.runner import Runner
    from dbmigrations.manifests.source import PodSource

SCRATCH, LOAD, REPORT = "scratch", "load", "report"
FOLDER = "/dbm-scratch"
SCRATCH_USER = 65531
"""The scratch server's user: neither the runner's nor, most likely, the application's."""
REPORT_USER = 65530
"""Not the runner's: images without a shell often run as that one, and could look into the report's files."""
GRACE_SECONDS = 60
"""Time for the report after the command ended: sessions gone, schema dumped twice, plan printed."""
_SCRATCH_MOUNT = {"name": "dbm-scratch", "mountPath": FOLDER}


def rehearse_pod(runner: Runner, spec: Spec, source: PodSource, config: Json, seen: Inspection) -> Json:
    """Return the Pod's spec; `config` is that of `load`, `report` gets the same without connection and bucket."""
    pod = pod_fields(spec, source)
    pod["hostAliases"] = host_aliases(pod.get("hostAliases", []), seen.host, config["namespace"])
    files, mounts = stripped_files(source)
    env = stripped_env(spec, source, seen.secret_names)
    main = command_container(
        spec,
        source,
        env=with_options(spec, redirected(spec, env, seen)),
        env_from=stripped_env_from(spec, source),
        mounts=mounts,
    )
    volumes = runner_volumes(spec, source, claims=False, store=False)
    known = {volume["name"] for volume in volumes}
    return {
        **pod,
        # As in the Migrate Pod: as PID 1 the command would ignore SIGTERM.
        "shareProcessNamespace": True,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [
            _scratch(runner, spec, seen),
            _load(runner, spec, source, config),
            _report(runner, config),
        ],
        "containers": [main],
        "volumes": [
            *volumes,
            *(volume for volume in files if volume["name"] not in known),
            {"name": "dbm-scratch", "emptyDir": {"sizeLimit": runner.scratch.size}},
            {"name": "dbm-passwd", "downwardAPI": {"items": [_passwd_item()]}},
        ],
    }


def pod_annotations() -> dict[str, str]:
    """Return what the Pod needs beside its spec: initdb asks for the user's entry, whatever the image knows of it."""
    return {PASSWD: f"scratch:x:{SCRATCH_USER}:0:scratch:/tmp:/bin/sh"}


def scratch_image(runner: Runner, spec: Spec, major: int) -> str:
    """Return the image for the scratch server; empty where neither the manifest nor the settings name one."""
    return str(spec.rehearsal.get("image") or runner.scratch.images.get(major, ""))


def rehearsal_config(spec: Spec, seen: Inspection, seconds: float) -> Json:
    """Return the section of DBM_CONFIG that `load` and `report` need."""
    return {
        "folder": FOLDER,
        "port": scratch_port(seen.port),
        "hostaddr": seen.address,
        "names": [name for alias in host_aliases([], seen.host, "") for name in alias["hostnames"]],
        "database": seen.database,
        "role": seen.role,
        "dataOf": list(spec.rehearsal.get("dataOf", [])),
        "timeoutSeconds": seconds,
    }


def _scratch(runner: Runner, spec: Spec, seen: Inspection) -> Json:
    return {
        "name": SCRATCH,
        "image": scratch_image(runner, spec, seen.server_major),
        "imagePullPolicy": runner.scratch.pull_policy,
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", START_SCRIPT],
        "env": [{"name": "DBM_SCRATCH", "value": FOLDER}, {"name": "HOME", "value": "/tmp"}],  # noqa: S108
        "volumeMounts": [
            _SCRATCH_MOUNT,
            {"name": "dbm-passwd", "mountPath": "/etc/passwd", "subPath": "passwd", "readOnly": True},
            TMP_MOUNT,
        ],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
        "securityContext": {**restricted(), "runAsUser": SCRATCH_USER},
        "terminationMessagePolicy": "File",
    }


def _load(runner: Runner, spec: Spec, source: PodSource, config: Json) -> Json:
    load = runner_container(runner, spec, source, LOAD, config, store=False, memory="256Mi")
    load["volumeMounts"].append(_SCRATCH_MOUNT)
    return load


def _report(runner: Runner, config: Json) -> Json:
    """It lives beside the command: it has nothing of the application, and a user of its own."""
    mine = {**config, "program": REPORT, "connection": None, "store": None}
    report = program_container(runner, REPORT, mine, memory="256Mi")
    report["restartPolicy"] = "Always"
    report["volumeMounts"].append(_SCRATCH_MOUNT)
    report["securityContext"]["runAsUser"] = REPORT_USER
    return report


def _passwd_item() -> dict[str, Any]:
    return {"path": "passwd", "fieldRef": {"fieldPath": f"metadata.annotations['{PASSWD}']"}}
