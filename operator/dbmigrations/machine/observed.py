"""Everything that a decision may depend on, as it was read freshly in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import LABEL_ATTEMPT, LABEL_RUN, LABEL_STEP, ORIGINAL
from dbmigrations.manifests.source import ContainerNotFoundError, PodSource, pod_source
from dbmigrations.manifests.workloads import original_of

if TYPE_CHECKING:
    from datetime import datetime

    from dbmigrations.api.run import Original, Run, Step
    from dbmigrations.api.spec import Spec, WorkloadRef
    from dbmigrations.api.status import Status
    from dbmigrations.machine.pods import PodSeen
    from dbmigrations.manifests.resource import Resource

Json = dict[str, Any]


@dataclass(frozen=True)
class Settings:
    """What whoever runs the operator may set, in seconds; `scratch_majors` are those that can be rehearsed for."""

    retry_for: float = 300.0
    config_grace: float = 30.0
    stop_timeout: float = 60.0
    delete_timeout: float = 60.0
    scratch_majors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Problem:
    """What the API server answered to the last effect: an HTTP status (0: no answer) and its words."""

    status: int
    reason: str
    message: str

    @property
    def passing(self) -> bool:
        """True for what may be gone by itself: quota, throttling, an API server that is away."""
        return self.status in {0, 408, 409, 425, 429} or self.status >= 500 or "exceeded quota" in self.message


@dataclass(frozen=True)
class JobSeen:
    """A Job of this run with its Pods; `warnings` are texts of Warning events where it does not get on."""

    raw: Json
    pods: tuple[PodSeen, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The Job's name."""
        return str(self.raw["metadata"]["name"])

    @property
    def uid(self) -> str:
        """The Job's uid."""
        return str(self.raw["metadata"]["uid"])

    @property
    def run(self) -> str:
        """The id of the run it belongs to."""
        return str(self.raw["metadata"]["labels"][LABEL_RUN])

    @property
    def owned(self) -> bool:
        """True once it was given to the resource, when its run had ended."""
        return bool(self.raw["metadata"].get("ownerReferences"))

    @property
    def deleting(self) -> bool:
        """True once somebody asked for its deletion."""
        return "deletionTimestamp" in self.raw["metadata"]

    @property
    def finished(self) -> bool:
        """True once the Job has the condition Complete or Failed."""
        conditions = self.raw.get("status", {}).get("conditions", [])
        return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)

    @property
    def live(self) -> bool:
        """True while a Pod of it may still do something, or be started."""
        return any(not pod.ended for pod in self.pods) or not (self.finished or self.pods)


@dataclass(frozen=True)
class WorkloadSeen:
    """A listed workload (raw is None where it does not exist) and its Pods, terminating ones included."""

    ref: WorkloadRef
    raw: Json | None
    pods: tuple[PodSeen, ...] = ()

    @property
    def replicas(self) -> int:
        """The replicas asked for now."""
        return int(self.raw["spec"].get("replicas", 1)) if self.raw else 0

    @property
    def annotated(self) -> bool:
        """True where the workload carries our note of its original."""
        return bool(self.raw) and ORIGINAL in (self.raw or {})["metadata"].get("annotations", {})

    @property
    def held(self) -> bool:
        """True where it is at 0 because a run stopped it."""
        return self.annotated and self.replicas == 0

    @property
    def original(self) -> Original:
        """What it was before any run stopped it. Raises ValueError where it does not exist."""
        if self.raw is None:
            raise ValueError(f"{self.ref} does not exist")
        return original_of(self.ref.kind, self.raw)

    @property
    def settled(self) -> bool:
        """True once its controller has seen the newest generation."""
        if self.raw is None:
            return True
        return bool(self.raw.get("status", {}).get("observedGeneration", 0) >= self.raw["metadata"]["generation"])

    @property
    def down(self) -> bool:
        """Really stopped: 0 asked for and seen, and no Pod left, terminating ones included."""
        if self.raw is None:
            return not self.pods
        status = self.raw.get("status", {})
        return self.settled and self.replicas == 0 and not status.get("replicas", 0) and not self.pods

    @property
    def ready_replicas(self) -> int:
        """Pods of the newest template that are ready."""
        status = (self.raw or {}).get("status", {})
        return min(int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0)))

    @property
    def back(self) -> bool:
        """Really back: as many ready Pods of the newest template as asked for, and none of an older one."""
        if self.raw is None:
            return False
        total = self.raw.get("status", {}).get("replicas", 0)
        return self.settled and self.ready_replicas == self.replicas == total


@dataclass(frozen=True)
class ProbeSeen:
    """What the operator's own probes saw since the step began: successes in a row, and the last answer in words."""

    successes: int = 0
    last: str = "no request was made yet"


@dataclass(frozen=True)
class Observed:
    """One pass's input.

    `live` is the specification as it stands now, `spec` the one that the run goes by (pinned once the application is
    about to be stopped). `jobs` are those of every run of the resource. `dry_run_of` names the run whose later Jobs
    the API server accepted in a dry run; `plan_kept` are the ConfigMaps of this run's plan, None while there are none.
    """

    now: datetime
    resource: Resource
    generation: int
    live: Spec
    spec: Spec
    status: Status
    deleting_since: str = ""
    has_finalizer: bool = False
    settings: Settings = field(default_factory=Settings)
    source: Json | None = None
    workloads: tuple[WorkloadSeen, ...] = ()
    service: Json | None = None
    jobs: tuple[JobSeen, ...] = ()
    problem: Problem | None = None
    dry_run_of: str = ""
    plan_kept: tuple[str, ...] | None = None
    probe: ProbeSeen = field(default_factory=ProbeSeen)

    @property
    def run(self) -> Run:
        """The run; raises ValueError where there is none (a guard before has seen to that)."""
        if self.status.run is None:
            raise ValueError("no run")
        return self.status.run

    def job(self, step: Step, attempt: int) -> JobSeen | None:
        """Return the Job of that step and attempt, if it exists."""
        for job in self.jobs:
            marks = job.raw["metadata"]["labels"]
            if job.run == self.run.id and marks[LABEL_STEP] == step and marks[LABEL_ATTEMPT] == str(attempt):
                return job
        return None

    @property
    def pod_source(self) -> PodSource | str:
        """What podFrom gives, or why it gives nothing, in words."""
        if self.source is None:
            return f"{self.spec.source} does not exist in namespace {self.resource.namespace}"
        try:
            return pod_source(self.source, self.spec.container)
        except ContainerNotFoundError as error:
            return f"{self.spec.source} has {error}"
