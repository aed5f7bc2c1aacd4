"""The controllers of Deployments and StatefulSets, and the Pods of the application: they take their time to end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.api.clock import to_text

if TYPE_CHECKING:
    from tests.simulation.world import World

Json = dict[str, Any]

KINDS = ("Deployment", "StatefulSet")
OBSERVE, START, READY, END = 0.1, 0.3, 1.5, 2.0
"""Seconds until a controller looks, a Pod starts, is ready, is gone after it was asked to end."""


class Applications:
    """Brings the Pods of workloads to what was asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.pending: set[str] = set()
        self.end_seconds = END
        self.numbers = 0

    def changed(self, found: Json) -> None:
        """Something changed: look at the workload concerned soon."""
        kind, name = found["kind"], found["metadata"]["name"]
        if kind == "Pod" and "of" in found["metadata"].get("annotations", {}):
            kind, _, name = found["metadata"]["annotations"]["of"].partition("/")
        mark = f"{kind}/{name}"
        if kind in KINDS and mark not in self.pending:
            self.pending.add(mark)
            self.world.after(OBSERVE, lambda: self.sync(kind, name))

    def pods(self, kind: str, name: str) -> list[Json]:
        """Return the Pods of a workload, terminating ones included."""
        return [
            pod
            for pod in self.world.server.of_kind("Pod")
            if pod["metadata"].get("annotations", {}).get("of") == f"{kind}/{name}"
        ]

    def sync(self, kind: str, name: str) -> None:
        """One pass of the controller."""
        self.pending.discard(f"{kind}/{name}")
        workload = self.world.server.find(kind, name)
        if workload is None:
            for pod in self.pods(kind, name):
                self._end(pod)
            return
        image = workload["spec"]["template"]["spec"]["containers"][0]["image"]
        alive = [pod for pod in self.pods(kind, name) if "deletionTimestamp" not in pod["metadata"]]
        right = [pod for pod in alive if pod["metadata"]["annotations"]["image"] == image]
        wanted = workload["spec"]["replicas"]
        for pod in [pod for pod in alive if pod not in right] + right[wanted:]:
            self._end(pod)
        for _ in range(wanted - len(right)):
            self._begin(kind, workload, image)
        self._status(kind, name, workload["metadata"]["generation"], image)

    def _status(self, kind: str, name: str, generation: int, image: str) -> None:
        alive = [pod for pod in self.pods(kind, name) if "deletionTimestamp" not in pod["metadata"]]
        new = [pod for pod in alive if pod["metadata"]["annotations"]["image"] == image]
        status = {
            "observedGeneration": generation,
            "replicas": len(alive),
            "updatedReplicas": len(new),
            "readyReplicas": sum(pod["metadata"]["annotations"].get("ready") == "yes" for pod in alive),
        }
        self.world.server.change(kind, name, lambda found: found.update(status=status))

    def _begin(self, kind: str, workload: Json, image: str) -> None:
        self.numbers += 1
        name = f"{workload['metadata']['name']}-{self.numbers}"
        notes = {"of": f"{kind}/{workload['metadata']['name']}", "image": image}
        body = {
            "metadata": {"name": name, "labels": workload["spec"]["selector"]["matchLabels"], "annotations": notes},
            "spec": {"terminationGracePeriodSeconds": 30},
            "status": {"phase": "Pending"},
        }
        self.world.server.create("Pod", "shop", body)
        self.world.after(START, lambda: self._started(name, image))

    def _started(self, name: str, image: str) -> None:
        pod = self.world.server.find("Pod", name)
        if pod is None or "deletionTimestamp" in pod["metadata"]:
            return
        self.world.application_started(name, image)
        self.world.server.change("Pod", name, lambda found: found["status"].update(phase="Running"))
        if self.world.serves(image):
            self.world.after(READY, lambda: self._ready(name))

    def _ready(self, name: str) -> None:
        self.world.server.change("Pod", name, lambda found: found["metadata"]["annotations"].update(ready="yes"))

    def _end(self, pod: Json) -> None:
        name = pod["metadata"]["name"]
        if "deletionTimestamp" in pod["metadata"]:
            return
        moment = to_text(self.world.clock.now())
        self.world.server.change("Pod", name, lambda found: found["metadata"].update(deletionTimestamp=moment))
        self.world.after(self.end_seconds, lambda: self.world.server.delete(("Pod", "shop", name), now=True))
