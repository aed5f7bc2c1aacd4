"""The Job controller and the kubelet for our Jobs: Pods appear, containers start and end, reports stay behind."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.programs import program_of
from tests.simulation.states import terminated

from dbmigrations.api.clock import to_text
from dbmigrations.api.names import LABEL_ATTEMPT, LABEL_STEP

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.world import World

Json = dict[str, Any]

CREATE, FINISH, TERMINATE = 0.2, 0.3, 0.4
"""Seconds until a Job has its Pod, its condition after the Pod's end, and a terminating Pod's containers' end."""


@dataclass
class Running:
    """A Pod under way: its name, its address, what it does, and the states of its containers."""

    name: str
    uid: str
    address: str
    step: str
    attempt: int
    config: Json
    script: Iterator[float] | None = None
    states: dict[str, Json] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    init: tuple[str, ...] = ()
    main_running: bool = False
    sigterm_seconds: float = 0.0
    done: bool = False
    terminating: bool = False
    lost: bool = False


class Kubelet:
    """Runs the Pods of Jobs."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.running: dict[str, Running] = {}
        self.addresses = 0
        self.jobs_seen: set[str] = set()
        self.without_pods: set[str] = set()
        """Steps whose Jobs get no Pod, as under a quota."""

    def changed(self, found: Json) -> None:
        """A Job was made, changed or deleted; a Pod of one was deleted."""
        meta = found["metadata"]
        if found["kind"] == "Job" and meta["uid"] not in self.jobs_seen:
            self.jobs_seen.add(meta["uid"])
            self.world.after(CREATE, lambda: self._create(meta["name"], meta["uid"]))
        if found["kind"] == "Pod" and meta["uid"] in self.running:
            running = self.running[meta["uid"]]
            if self.world.server.find("Pod", meta["name"]) is None:
                self._gone(running)
            elif "deletionTimestamp" in meta and not running.terminating:
                running.terminating = True
                patience = running.sigterm_seconds if running.main_running else 0.05
                self.world.after(patience, lambda: self._terminate(running))

    def lost_node(self) -> None:
        """The node of every Pod that works now is lost: none of them gets on, ends or goes."""
        for running in self.running.values():
            if not running.done:
                running.script, running.lost, running.main_running = None, True, False
                self.world.database.sessions.pop(running.address, None)

    def _create(self, job_name: str, job_uid: str) -> None:
        job = self.world.server.find("Job", job_name)
        if job is None or job["metadata"]["uid"] != job_uid or "deletionTimestamp" in job["metadata"]:
            return
        if job["metadata"]["labels"][LABEL_STEP] in self.without_pods:
            self._warn(job)
            return
        self.addresses += 1
        template = job["spec"]["template"]
        name = f"{job_name}-{self.addresses:05x}"
        body = {
            "metadata": {
                "name": name,
                "labels": template["metadata"]["labels"],
                "ownerReferences": [{"uid": job_uid, "kind": "Job", "name": job_name, "blockOwnerDeletion": True}],
            },
            "spec": {"terminationGracePeriodSeconds": template["spec"]["terminationGracePeriodSeconds"]},
            "status": {"phase": "Pending"},
        }
        made = self.world.server.create("Pod", "shop", body)
        init = tuple(item["name"] for item in template["spec"].get("initContainers", []))
        programs = [*template["spec"].get("initContainers", []), *template["spec"]["containers"]]
        running = Running(
            name,
            made["metadata"]["uid"],
            f"10.1.0.{self.addresses}",
            template["metadata"]["labels"][LABEL_STEP],
            int(template["metadata"]["labels"][LABEL_ATTEMPT]),
            _config(programs),
            init=init,
        )
        running.states = {item["name"]: {"waiting": {"reason": "PodInitializing"}} for item in programs}
        self.running[running.uid] = running
        running.script = program_of(self.world, self, running)
        self.world.after(0.1, lambda: self._go_on(running))

    def _warn(self, job: Json) -> None:
        body = {
            "metadata": {"generateName": "quota."},
            "involvedObject": {"uid": job["metadata"]["uid"]},
            "type": "Warning",
            "reason": "FailedCreate",
            "message": "pods is forbidden: exceeded quota: compute",
            "lastTimestamp": to_text(self.world.clock.now()),
        }
        self.world.server.create("Event", "shop", body)

    def _go_on(self, running: Running) -> None:
        if running.done or running.script is None or (running.terminating and not running.main_running):
            return
        try:
            delay = next(running.script)
        except StopIteration:
            return
        self.world.after(delay, lambda: self._go_on(running))

    def show(self, running: Running, **status: Any) -> None:
        """Write the containers' states, as the kubelet reports them."""

        def entries(init: bool) -> list[Json]:
            return [
                {"name": name, "state": state, "restartCount": running.restarts.get(name, 0)}
                for name, state in running.states.items()
                if (name in running.init) is init
            ]

        content = {
            "podIP": running.address,
            "initContainerStatuses": entries(init=True),
            "containerStatuses": entries(init=False),
            **status,
        }
        self.world.server.change("Pod", running.name, lambda pod: pod["status"].update(content))

    def end(self, running: Running, phase: str, reason: str = "") -> None:
        """The Pod ended: the Job's condition follows a moment later."""
        running.done = True
        running.main_running = False
        self.show(running, phase=phase, **({"reason": reason} if reason else {}))
        self.world.after(FINISH, lambda: self._finish(running, phase))

    def _finish(self, running: Running, phase: str) -> None:
        job_name = running.name.rpartition("-")[0]
        kind = "Complete" if phase == "Succeeded" else "Failed"
        status = {"conditions": [{"type": kind, "status": "True"}]}
        # A Job's end is final, whatever becomes of its Pods later.
        self.world.server.change("Job", job_name, lambda job: job.setdefault("status", status))

    def _terminate(self, running: Running) -> None:
        """SIGTERM: the migration's command ends, the guard reports, the Pod goes."""
        if running.lost:
            return
        if running.done:
            self.world.after(0.1, lambda: self._remove(running))
            return
        running.done = True
        for name, state in running.states.items():
            if name == "guard" and "running" in state:
                report = {"v": 1, "ok": True, "facts": {"fingerprint": self.world.database.fingerprint()}}
                running.states[name] = terminated(0, report)
            elif "waiting" in state:
                # So does the kubelet with what never started, once the Pod was initialized.
                if "waiting" not in running.states.get("guard", {}):
                    running.states[name] = terminated(137, None, "ContainerStatusUnknown")
            elif "terminated" not in state:
                running.states[name] = terminated(143, None)
        running.main_running = False
        self.world.database.sessions.pop(running.address, None)
        self.world.after(TERMINATE, lambda: self._report_end(running))

    def _report_end(self, running: Running) -> None:
        self.show(running, phase="Failed")
        self.world.after(0.1, lambda: self._remove(running))

    def _remove(self, running: Running) -> None:
        self.world.server.delete(("Pod", "shop", running.name), now=True)

    def _gone(self, running: Running) -> None:
        """The Pod object is gone. Forced: its process died without a word, its backend may live on for a while."""
        self.running.pop(running.uid, None)
        running.done = True
        running.main_running = False
        self._finish(running, "Failed")


def _config(programs: list[Json]) -> Json:
    for container in programs:
        for item in container["env"]:
            if item["name"] == "DBM_CONFIG":
                found: Json = json.loads(item["value"])
                return found
    return {}
