"""Effects done on the cluster. Each is harmless when it was done already; what the API refuses becomes a Problem."""

from __future__ import annotations

from dataclasses import dataclass
from functools import singledispatchmethod
from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import FINALIZER, KIND, MANAGER_START, MANAGER_STOP
from dbmigrations.api.run import Step
from dbmigrations.cluster.port import ApiError
from dbmigrations.machine.effects import (
    AddFinalizer,
    CleanUp,
    CreateJob,
    DeleteJob,
    DryRun,
    Effect,
    ExplainWorkload,
    KeepPlan,
    RemoveFinalizer,
    StartWorkload,
    StopWorkload,
)
from dbmigrations.manifests.jobs import KEEP_SECONDS, Builder, owner_reference, pod_of
from dbmigrations.manifests.plan import config_maps, plan_labels, read_plan
from dbmigrations.manifests.rehearse import REPORT
from dbmigrations.manifests.source import PodSource
from dbmigrations.manifests.workloads import explain_patch, new_images, start_patch, stop_patch

if TYPE_CHECKING:
    from dbmigrations.api.spec import WorkloadRef
    from dbmigrations.cluster.observe import Memory
    from dbmigrations.cluster.port import Cluster
    from dbmigrations.machine.observed import Observed
    from dbmigrations.manifests.runner import Runner

Json = dict[str, Any]


@dataclass
class Actor:
    """Does effects for one pass: on what was observed in it, with the resource as it was read or last written."""

    cluster: Cluster
    runner: Runner
    o: Observed
    raw: Json
    memory: Memory

    async def do(self, effect: Effect) -> None:
        """Do one effect. Raises ApiError."""
        await self._do(effect)

    @singledispatchmethod
    async def _do(self, effect: Effect) -> None:
        raise TypeError(f"no such effect: {effect}")

    @_do.register
    async def _(self, _effect: AddFinalizer) -> None:
        others = self.raw["metadata"].get("finalizers", [])
        await self._finalizers([*others, FINALIZER])

    @_do.register
    async def _(self, _effect: RemoveFinalizer) -> None:
        await self._finalizers([name for name in self.raw["metadata"].get("finalizers", []) if name != FINALIZER])

    async def _finalizers(self, names: list[str]) -> None:
        # A merge patch replaces the list: without the version it could remove somebody else's finalizer.
        meta = {"resourceVersion": self.raw["metadata"]["resourceVersion"], "finalizers": names}
        resource = self.o.resource
        await self.cluster.patch(KIND, resource.namespace, resource.name, {"metadata": meta})

    @_do.register
    async def _(self, _effect: DryRun) -> None:
        steps = [Step.BACKUP] if self.o.spec.backup else []
        for step in [*steps, Step.MIGRATE]:
            await self._try(self._builder().job(step, 1))
        self.memory.dry_run_of = self.o.run.id

    async def _try(self, job: Json) -> None:
        space = self.o.resource.namespace
        await self.cluster.create("Job", space, job, dry_run=True)
        await self.cluster.create("Pod", space, pod_of(job), dry_run=True)

    @_do.register
    async def _(self, effect: KeepPlan) -> None:
        resource, run = self.o.resource, self.o.run
        files = read_plan(await self.cluster.log(resource.namespace, effect.pod, REPORT))
        wanted = config_maps(resource, run, files)
        for old in await self.cluster.list("ConfigMap", resource.namespace, labels=plan_labels(resource)):
            if old["metadata"]["name"] not in {item["metadata"]["name"] for item in wanted}:
                meta = old["metadata"]
                await self.cluster.delete("ConfigMap", resource.namespace, meta["name"], uid=meta["uid"])
        # The first one names the others and comes last: where it is, the plan is whole.
        for body in reversed(wanted):
            try:
                await self.cluster.create("ConfigMap", resource.namespace, body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise

    @_do.register
    async def _(self, effect: CreateJob) -> None:
        job, space = self._builder().job(effect.step, effect.attempt), self.o.resource.namespace
        try:
            # A quota or a policy refuses the Pod, which the Job's controller would hide in an event.
            await self.cluster.create("Pod", space, pod_of(job), dry_run=True)
            await self.cluster.create("Job", space, job)
        except ApiError as error:
            # Ours, from before a crash: the next pass finds it by its labels.
            if error.reason != "AlreadyExists":
                raise

    def _builder(self) -> Builder:
        source = self.o.pod_source
        if not isinstance(source, PodSource):
            raise ApiError(404, "NotFound", source)
        return Builder(self.o.resource, self.o.spec, source, self.o.run, self.runner)

    @_do.register
    async def _(self, effect: DeleteJob) -> None:
        uid = next(job.uid for job in self.o.jobs if job.name == effect.name)
        await self.cluster.delete("Job", self.o.resource.namespace, effect.name, uid=uid)

    @_do.register
    async def _(self, effect: StopWorkload) -> None:
        original, raw = effect.original, self._workload(effect.original.kind, effect.original.name)
        patch = stop_patch(original, self.o.resource, self.o.run, raw["metadata"]["resourceVersion"])
        await self._patch(original.kind, original.name, patch, MANAGER_STOP)

    @_do.register
    async def _(self, effect: StartWorkload) -> None:
        raw = self._of(effect.ref)
        images = new_images(raw, effect.old_images, effect.new_image)
        patch = start_patch(effect.replicas, images, raw["metadata"]["resourceVersion"])
        await self._patch(effect.ref.kind, effect.ref.name, patch, MANAGER_START)

    @_do.register
    async def _(self, effect: ExplainWorkload) -> None:
        version = self._of(effect.ref)["metadata"]["resourceVersion"]
        await self._patch(effect.ref.kind, effect.ref.name, explain_patch(effect.reason, version), MANAGER_STOP)

    def _of(self, ref: WorkloadRef) -> Json:
        return self._workload(ref.kind, ref.name)

    def _workload(self, kind: str, name: str) -> Json:
        for seen in self.o.workloads:
            if seen.raw is not None and (seen.ref.kind, seen.ref.name) == (kind, name):
                return seen.raw
        raise ApiError(404, "NotFound", f"{kind}/{name} does not exist")

    async def _patch(self, kind: str, name: str, patch: Json, manager: str) -> None:
        await self.cluster.patch(kind, self.o.resource.namespace, name, patch, manager=manager)

    @_do.register
    async def _(self, _effect: CleanUp) -> None:
        resource = self.o.resource
        for job in self.o.jobs:
            if job.live:
                await self.cluster.delete("Job", resource.namespace, job.name, uid=job.uid)
            elif not job.owned:
                body = {
                    "metadata": {"ownerReferences": [owner_reference(resource)]},
                    "spec": {"ttlSecondsAfterFinished": KEEP_SECONDS},
                }
                await self.cluster.patch("Job", resource.namespace, job.name, body)
