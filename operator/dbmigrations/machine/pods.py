"""What a Pod's status says, read from container states: they come seconds before the Job's condition."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from dbmigrations.api.clock import from_text

Json = dict[str, Any]

NODE_GRACES = 6
"""How many times the grace a Pod may wait for a node: 3 minutes with the default of 30 seconds."""
_IMAGE = {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
_CONFIG = {"CreateContainerConfigError", "CreateContainerError", "RunContainerError"}
_MISSING = (
    (re.compile(r"secret \"?[^ \"]+\"? not found"), "SecretNotFound"),
    (re.compile(r"configmap \"?[^ \"]+\"? not found"), "ConfigMapNotFound"),
    (re.compile(r"find key .* in Secret"), "SecretKeyNotFound"),
    (re.compile(r"find key .* in ConfigMap"), "ConfigMapKeyNotFound"),
    (re.compile(r"references non-existent secret key"), "SecretKeyNotFound"),
    (re.compile(r"references non-existent config key"), "ConfigMapKeyNotFound"),
    (re.compile(r"serviceaccount \"?[^ \"]+\"? not found"), "ServiceAccountNotFound"),
    (re.compile(r"exceeded quota"), "QuotaExceeded"),
    (re.compile(r"violates PodSecurity"), "PodSecurityViolation"),
    (re.compile(r"persistentvolumeclaim \"?[^ \"]+\"? not found"), "VolumeClaimNotFound"),
)


def missing_reason(message: str, default: str) -> str:
    """Return the stable reason for a message of the kubelet or of a controller."""
    for pattern, reason in _MISSING:
        if pattern.search(message):
            return reason
    return default


@dataclass(frozen=True)
class ContainerSeen:
    """One container's state. `exit_code` is None until it ended; times are RFC 3339."""

    name: str
    waiting: str = ""
    message: str = ""
    running: bool = False
    exit_code: int | None = None
    reason: str = ""
    result: str = ""
    restarts: int = 0
    last_result: str = ""

    @property
    def ever_ran(self) -> bool:
        """True once its process was started (a failed start, as of a missing command, is none)."""
        return self.running or self.restarts > 0 or not (self.exit_code is None or self.start_failed or self.untold)

    @property
    def untold(self) -> bool:
        """True where the kubelet does not know: so it ends, too, what was still waiting when its Pod was deleted."""
        return self.reason == "ContainerStatusUnknown"

    @property
    def start_failed(self) -> bool:
        """True where the runtime could not start its process."""
        return self.exit_code is not None and self.reason in {"StartError", "ContainerCannotRun"}


@dataclass(frozen=True)
class PodSeen:
    """A Pod of one of our Jobs, or of a workload."""

    name: str
    uid: str
    phase: str
    created: str
    terminating: bool = False
    reason: str = ""
    message: str = ""
    address: str = ""
    unschedulable: str = ""
    containers: tuple[ContainerSeen, ...] = ()
    grace_seconds: int = 30

    def container(self, name: str) -> ContainerSeen:
        """Return a container's state; one that the kubelet has not reported yet is waiting."""
        for container in self.containers:
            if container.name == name:
                return container
        return ContainerSeen(name, waiting="NotReported")

    @property
    def ended(self) -> bool:
        """True once no container of it can do anything any more."""
        return self.phase in {"Succeeded", "Failed"} or (
            bool(self.containers) and all(c.exit_code is not None for c in self.containers)
        )

    def trouble(self, now: datetime, grace: float) -> tuple[str, str] | None:
        """Return reason and message of what keeps it from starting, once that lasted `grace` seconds.

        A Pod that fits nowhere is given longer: an autoscaler may be starting a node for it.
        """
        if now - from_text(self.created) < timedelta(seconds=grace * (NODE_GRACES if self.unschedulable else 1)):
            return None
        for container in self.containers:
            if container.waiting in _IMAGE:
                return "ImagePullFailed", f"container {container.name}: {container.waiting}: {container.message}"
            if container.waiting in _CONFIG:
                reason = missing_reason(container.message, "ContainerConfigError")
                return reason, f"container {container.name}: {container.message}"
        return ("Unschedulable", self.unschedulable) if self.unschedulable else None


def parse_pod(raw: Json) -> PodSeen:
    """Read a Pod as the API returns it."""
    meta, status = raw["metadata"], raw.get("status", {})
    lists = ("initContainerStatuses", "containerStatuses")
    seen = tuple(_container(item) for key in lists for item in status.get(key, []))
    scheduled = [c for c in status.get("conditions", []) if c["type"] == "PodScheduled" and c["status"] == "False"]
    return PodSeen(
        name=meta["name"],
        uid=meta["uid"],
        phase=status.get("phase", "Pending"),
        created=meta["creationTimestamp"],
        terminating="deletionTimestamp" in meta,
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        address=status.get("podIP", ""),
        unschedulable=scheduled[0].get("message", "") if scheduled else "",
        containers=seen,
        grace_seconds=raw.get("spec", {}).get("terminationGracePeriodSeconds", 30),
    )


def _container(raw: Json) -> ContainerSeen:
    state, last = raw.get("state", {}), raw.get("lastState", {}).get("terminated", {})
    waiting, ended = state.get("waiting", {}), state.get("terminated", {})
    return ContainerSeen(
        name=raw["name"],
        waiting=waiting.get("reason", "ContainerCreating") if "waiting" in state or not state else "",
        message=waiting.get("message", "") or (ended.get("message", "") if ended.get("reason") == "StartError" else ""),
        running="running" in state,
        exit_code=ended.get("exitCode"),
        reason=ended.get("reason", ""),
        result=ended.get("message", ""),
        restarts=raw.get("restartCount", 0),
        last_result=last.get("message", ""),
    )
