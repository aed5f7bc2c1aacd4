"""The Jobs of a run: functions of the resource, the pinned specification, the workload's template and the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrations.api.names import GROUP, KIND, SPEC_HASH, VERSION
from dbmigrations.api.run import Step
from dbmigrations.manifests.config import runner_config
from dbmigrations.manifests.migrate import migrate_pod
from dbmigrations.manifests.names import job_name, labels
from dbmigrations.manifests.pods import pod_fields
from dbmigrations.manifests.rehearse import pod_annotations, rehearsal_config, rehearse_pod
from dbmigrations.manifests.runner import named_secrets, runner_container, runner_volumes

if TYPE_CHECKING:
    from dbmigrations.api.run import Run
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.resource import Resource
    from dbmigrations.manifests.runner import Runner
    from dbmigrations.manifests.source import PodSource

HARMLESS = {Step.INSPECT, Step.REHEARSE, Step.COMPARE}
"""Steps whose Jobs change nothing that anybody would miss."""
INSPECT_SECONDS = 180
"""Longest life of an Inspect Pod, image pull included."""
NEVER_READY = f"{GROUP}/never"
"""A condition that nobody sets, so that no Pod of a run is ever an endpoint of a Service."""
KEEP_SECONDS = 3 * 24 * 3600
"""How long a finished Job, with its log, stays after its run ended."""
STARTUP_SECONDS = 120
"""Added to the user's timeouts for scheduling and image pulls."""


@dataclass(frozen=True)
class Builder:
    """All that every Job of a run is built from."""

    resource: Resource
    spec: Spec
    source: PodSource
    run: Run
    runner: Runner

    def job(self, step: Step, attempt: int) -> Json:
        """Return the Job of a step. Raises KeyError for a step that has none."""
        pod = _PODS[step](self, attempt)
        marks = labels(self.resource.uid, self.run.id, step, attempt)
        pod["restartPolicy"] = "Never"
        # With the application's labels (migration.labels) its Service would send it requests.
        pod["readinessGates"] = [{"conditionType": NEVER_READY}]
        job: Json = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": job_name(self.resource.name, self.resource.uid, self.run.id, step, attempt),
                "namespace": self.resource.namespace,
                "labels": marks,
                "annotations": {SPEC_HASH: self.run.spec_hash},
            },
            "spec": {
                # The operator, not Kubernetes, decides on another attempt: it looks at the database first.
                "backoffLimit": 0,
                "podReplacementPolicy": "Failed",
                "template": {
                    "metadata": {"labels": {**self.spec.migration.get("labels", {}), **marks}},
                    "spec": pod,
                },
            },
        }
        if step is Step.REHEARSE:
            job["spec"]["template"]["metadata"]["annotations"] = pod_annotations()
        if step in HARMLESS:
            # It changes nothing, so it may go with the resource at any time; later ones must outlive a deletion.
            job["metadata"]["ownerReferences"] = [owner_reference(self.resource)]
            job["spec"]["ttlSecondsAfterFinished"] = KEEP_SECONDS
        return job


def owner_reference(resource: Resource) -> Json:
    """Return the reference by which an object goes with the resource."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": KIND,
        "name": resource.name,
        "uid": resource.uid,
        "blockOwnerDeletion": False,
    }


def pod_of(job: Json) -> Json:
    """Return the Pod that a Job would start, for a dry run: quotas and Pod Security refuse Pods, not Jobs."""
    template = job["spec"]["template"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {**template["metadata"], "generateName": job["metadata"]["name"][:50] + "-"},
        "spec": template["spec"],
    }


def backup_memory(run: Run) -> str:
    """Return the memory limit of a backup: what Inspect computed from the database's size, at least 256Mi."""
    needed = run.inspection.backup_memory_bytes if run.inspection else 0
    return f"{max(256, -(-needed // 2**20))}Mi"


def _inspect(builder: Builder, attempt: int) -> Json:
    return _single(builder, "inspect", attempt, INSPECT_SECONDS, "256Mi", store=builder.spec.backup)


def _rehearse(builder: Builder, attempt: int) -> Json:
    seconds, seen = builder.runner.scratch.seconds, builder.run.inspection
    if seen is None:
        raise ValueError("nothing was inspected")
    config = runner_config("load", builder.resource, builder.spec, builder.run, attempt, int(seconds))
    config |= {"store": None, "rehearsal": rehearsal_config(builder.spec, seen, seconds)}
    pod = rehearse_pod(builder.runner, builder.spec, builder.source, config, seen)
    return {**pod, "activeDeadlineSeconds": int(seconds) + STARTUP_SECONDS}


def _read(builder: Builder, attempt: int) -> Json:
    return _single(builder, "inspect", attempt, INSPECT_SECONDS, "256Mi", store=False)


def _backup(builder: Builder, attempt: int) -> Json:
    seconds = builder.spec.backup_timeout
    return _single(builder, "backup", attempt, seconds, backup_memory(builder.run), store=True)


def _single(builder: Builder, program: str, attempt: int, seconds: int, memory: str, *, store: bool) -> Json:
    spec, source = builder.spec, builder.source
    config = runner_config(program, builder.resource, spec, builder.run, attempt, seconds)
    if not store:
        config["store"] = None
    last = builder.run.attempts.get(Step.MIGRATE)
    if last and last.addresses:
        # A killed Pod does not kill its backend: its sessions are ended before anything is believed.
        config["endSessionsOf"] = list(last.addresses)
    container = runner_container(builder.runner, spec, source, program, config, store=store, memory=memory)
    if program == "inspect":
        container["envFrom"] = [*container["envFrom"], *named_secrets(container["envFrom"])]
    return {
        **pod_fields(spec, source),
        "activeDeadlineSeconds": seconds + STARTUP_SECONDS,
        "terminationGracePeriodSeconds": 30,
        "containers": [container],
        "volumes": runner_volumes(spec, source, claims=False, store=store),
    }


def _migrate(builder: Builder, attempt: int) -> Json:
    seconds = builder.spec.timeout
    config = runner_config("gate", builder.resource, builder.spec, builder.run, attempt, seconds)
    pod = migrate_pod(builder.runner, builder.spec, builder.source, config)
    return {**pod, "activeDeadlineSeconds": seconds + STARTUP_SECONDS}


_PODS = {
    Step.INSPECT: _inspect,
    Step.REHEARSE: _rehearse,
    Step.COMPARE: _read,
    Step.BACKUP: _backup,
    Step.MIGRATE: _migrate,
    Step.RECHECK: _read,
}
