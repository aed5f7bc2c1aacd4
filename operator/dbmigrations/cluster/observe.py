"""One pass's reads: what a decision may depend on, and nothing that it may not."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from dbmigrations.api.clock import from_text
from dbmigrations.api.names import FINALIZER, LABEL_UID
from dbmigrations.api.run import Step
from dbmigrations.api.spec import parse_spec
from dbmigrations.api.status import parse_status
from dbmigrations.machine.observed import JobSeen, Observed, ProbeSeen, Problem, Settings, WorkloadSeen
from dbmigrations.machine.pods import PodSeen, parse_pod
from dbmigrations.machine.starting import EDITABLE
from dbmigrations.manifests.plan import names_of, plan_name
from dbmigrations.manifests.resource import Resource

if TYPE_CHECKING:
    from datetime import datetime

    from dbmigrations.api.spec import Spec, WorkloadRef
    from dbmigrations.api.status import Status
    from dbmigrations.cluster.port import Cluster

Json = dict[str, Any]

PATIENCE = timedelta(seconds=5)
"""How long a Pod may take to start before its Warning events are read."""


@dataclass
class Memory:
    """What the process remembers of a resource between passes; losing it costs a repetition, never safety."""

    problem: Problem | None = None
    refusals: int = 0
    dry_run_of: str = ""
    probe: ProbeSeen = field(default_factory=ProbeSeen)
    probe_of: str = ""


async def observe(cluster: Cluster, raw: Json, memory: Memory, now: datetime, settings: Settings) -> Observed:
    """Read everything that belongs to a resource. Raises ApiError."""
    meta = raw["metadata"]
    status = parse_status(raw.get("status", {}))
    live = parse_spec(raw["spec"])
    seen = Observed(
        now=now,
        resource=Resource(meta["namespace"], meta["name"], meta["uid"]),
        generation=meta["generation"],
        live=live,
        spec=_effective(live, status),
        status=status,
        deleting_since=meta.get("deletionTimestamp", ""),
        has_finalizer=FINALIZER in meta.get("finalizers", []),
        settings=settings,
        problem=memory.problem,
        dry_run_of=memory.dry_run_of,
        probe=memory.probe if memory.probe_of == probe_mark(status) else ProbeSeen(),
    )
    seen = replace(seen, jobs=await _jobs(cluster, seen))
    if _at_rest(seen):
        return seen
    return await _with_plan(cluster, await _with_application(cluster, seen))


async def _with_plan(cluster: Cluster, seen: Observed) -> Observed:
    """Look whether the plan was kept, in the one step that asks."""
    run = seen.status.run
    if run is None or run.step is not Step.COMPARE or run.plan is None or run.plan.config_maps:
        return seen
    first = await cluster.get("ConfigMap", seen.resource.namespace, plan_name(seen.resource, run))
    return replace(seen, plan_kept=names_of(first) if first else None)


def probe_mark(status: Status) -> str:
    """Return what a probe's successes count for: one run's one Probe step."""
    return f"{status.run.id}/{status.run.step_started_at}" if status.run else ""


def _effective(live: Spec, status: Status) -> Spec:
    """Return the pinned specification once the application is about to be stopped."""
    run = status.run
    pinned = run is not None and run.active and run.step not in EDITABLE
    return parse_spec(run.spec) if run and pinned else live


def _at_rest(seen: Observed) -> bool:
    """Tell whether the application matters no more: the run ended, and nothing is left to be said or undone."""
    run = seen.status.run
    wanted = seen.live
    if run is None or run.active or seen.has_finalizer:
        return False
    begins = run.outcome == "Planned" and not wanted.dry_run
    return run.spec_hash == wanted.hash and run.retry_token == wanted.retry_token and not begins


async def _with_application(cluster: Cluster, seen: Observed) -> Observed:
    space, spec = seen.resource.namespace, seen.spec
    workloads = tuple([await _workload(cluster, space, ref) for ref in spec.workloads])
    source = next((w.raw for w in workloads if w.ref == spec.source), None)
    if source is None and spec.source not in spec.workloads:
        source = await cluster.get(spec.source.kind, space, spec.source.name)
    service = await cluster.get("Service", space, spec.probe.service) if spec.probe else None
    return replace(seen, source=source, workloads=workloads, service=service)


async def _workload(cluster: Cluster, space: str, ref: WorkloadRef) -> WorkloadSeen:
    raw = await cluster.get(ref.kind, space, ref.name)
    if raw is None:
        return WorkloadSeen(ref, None)
    pods = await cluster.list("Pod", space, labels=_selector(raw["spec"]["selector"]))
    # A Job's Pods may carry the application's labels (migration.labels); only finished ones do not count.
    mine = tuple(parse_pod(pod) for pod in pods if LABEL_UID not in pod["metadata"].get("labels", {}))
    return WorkloadSeen(ref, raw, tuple(pod for pod in mine if not pod.ended))


def _selector(selector: Json) -> str:
    parts = [f"{key}={value}" for key, value in selector.get("matchLabels", {}).items()]
    for item in selector.get("matchExpressions", []):
        key, operator, values = item["key"], item["operator"], ",".join(item.get("values", []))
        form = {
            "In": f"{key} in ({values})",
            "NotIn": f"{key} notin ({values})",
            "Exists": key,
            "DoesNotExist": f"!{key}",
        }
        parts.append(form[operator])
    return ",".join(parts)


async def _jobs(cluster: Cluster, seen: Observed) -> tuple[JobSeen, ...]:
    space, labels = seen.resource.namespace, f"{LABEL_UID}={seen.resource.uid}"
    jobs = await cluster.list("Job", space, labels=labels)
    pods: dict[str, list[Json]] = {}
    for pod in await cluster.list("Pod", space, labels=labels):
        for owner in pod["metadata"].get("ownerReferences", []):
            pods.setdefault(owner["uid"], []).append(pod)
    for mine in pods.values():
        mine.sort(key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    found = []
    for raw in jobs:
        job = JobSeen(raw, tuple(parse_pod(pod) for pod in pods.pop(raw["metadata"]["uid"], [])))
        found.append(replace(job, warnings=await _warnings(cluster, space, job, seen.now)))
    return (*found, *(_deleted(uid, left) for uid, left in pods.items()))


def _deleted(uid: str, pods: list[Json]) -> JobSeen:
    """Return a Job that was deleted before its Pods ended, as they tell of it: they may work for a while yet."""
    meta = pods[-1]["metadata"]
    (name,) = [owner["name"] for owner in meta["ownerReferences"] if owner["uid"] == uid]
    raw = {
        "metadata": {
            "name": name,
            "uid": uid,
            "labels": meta["labels"],
            "creationTimestamp": meta["creationTimestamp"],
            "deletionTimestamp": meta.get("deletionTimestamp", meta["creationTimestamp"]),
            # Nobody can or need hand it over any more.
            "ownerReferences": meta["ownerReferences"],
        }
    }
    return JobSeen(raw, tuple(parse_pod(pod) for pod in pods))


async def _warnings(cluster: Cluster, space: str, job: JobSeen, now: datetime) -> tuple[str, ...]:
    """Read Warning events, oldest first, of a Job without a Pod or a Pod that does not start."""
    if job.finished or now - from_text(job.raw["metadata"]["creationTimestamp"]) < PATIENCE:
        return ()
    waiting = [pod for pod in job.pods if not pod.ended and not _moving(pod)]
    if job.pods and not waiting:
        return ()
    uid = waiting[-1].uid if waiting else job.uid
    events = await cluster.list("Event", space, fields=f"involvedObject.uid={uid},type=Warning")
    events.sort(key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or ""))
    return tuple(f"{event.get('reason', '')}: {event.get('message', '')}"[:600] for event in events)


def _moving(pod: PodSeen) -> bool:
    return any(container.running or container.exit_code is not None for container in pod.containers)
