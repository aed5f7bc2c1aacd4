"""What is taken over from the workload that `migration.podFrom` names: one container's surroundings, never other ones.

Raises ContainerNotFoundError where the named container does not exist.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]

POD_FIELDS = (
    "nodeSelector",
    "tolerations",
    "hostAliases",
    "dnsPolicy",
    "dnsConfig",
    "imagePullSecrets",
    "runtimeClassName",
    "priorityClassName",
    "enableServiceLinks",
)
"""Fields of the Pod that decide where it may run and what it can reach."""


class ContainerNotFoundError(LookupError):
    """The workload has no container of that name; the message names those it has."""


@dataclass(frozen=True)
class PodSource:
    """The container and the Pod fields that the migration borrows, as JSON of the API."""

    container: Json
    pod: Json
    volumes: tuple[Json, ...]

    @property
    def image(self) -> str:
        """The image that the application runs now."""
        return str(self.container["image"])

    @property
    def hash(self) -> str:
        """A hash over all that is taken over; the image is not (SetImage changes it)."""
        container = {key: value for key, value in self.container.items() if key != "image"}
        text = json.dumps([container, self.pod, self.volumes], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def pod_source(workload: Json, name: str) -> PodSource:
    """Extract from a Deployment or StatefulSet what the named (or first) container runs with."""
    template = workload["spec"]["template"]["spec"]
    container = _container(template, name)
    mounted = {mount["name"] for mount in container.get("volumeMounts", [])}
    pod = {key: template[key] for key in POD_FIELDS if key in template}
    if node_affinity := template.get("affinity", {}).get("nodeAffinity"):
        pod["affinity"] = {"nodeAffinity": node_affinity}
    pod["serviceAccountName"] = template.get("serviceAccountName", "default")
    if security := template.get("securityContext"):
        pod["securityContext"] = security
    kept = ("name", "image", "imagePullPolicy", "env", "envFrom", "volumeMounts", "workingDir", "securityContext")
    claims = workload["spec"].get("volumeClaimTemplates", [])
    volumes = [volume for volume in template.get("volumes", []) if volume["name"] in mounted]
    # A StatefulSet's claims belong to its own Pods; the migration gets an empty folder in their place.
    volumes += [
        {"name": claim["metadata"]["name"], "emptyDir": {}} for claim in claims if claim["metadata"]["name"] in mounted
    ]
    return PodSource({key: container[key] for key in kept if key in container}, pod, tuple(volumes))


def _container(template: Json, name: str) -> Json:
    containers: list[Json] = template["containers"]
    if not name:
        return containers[0]
    for container in containers:
        if container["name"] == name:
            return container
    known = ", ".join(container["name"] for container in containers)
    raise ContainerNotFoundError(f"no container {name!r}; the Pod template has: {known}")
