"""A run in the middle of a step, as `decide` sees it: what a row of a table does not name is as it should be."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.unit import making

from dbmigrations.api.clock import to_micro, to_text
from dbmigrations.api.names import LABEL_ATTEMPT, LABEL_RUN, LABEL_STEP, LABEL_UID, ORIGINAL
from dbmigrations.api.run import Attempt, Backup, Fingerprint, Inspection, Original, Run, Step
from dbmigrations.api.spec import WorkloadRef
from dbmigrations.api.status import Status
from dbmigrations.machine.decide import decide
from dbmigrations.machine.observed import JobSeen, Observed, WorkloadSeen
from dbmigrations.machine.pods import PodSeen, parse_pod
from dbmigrations.manifests.resource import Resource
from dbmigrations.manifests.source import pod_source

if TYPE_CHECKING:
    from dbmigrations.machine.decision import Decision

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
RUN = "1-abcdef12"
BEFORE = Fingerprint(("0004",), "schema-4", (), "none", "files", "changes", "resets")
AFTER = Fingerprint(("0005",), "schema-5", (), "none", "files-5", "changes-5", "resets")
DUMP = Backup("s3://backups/dump.pgc", "manifest.json", sha256="abc", taken_at="2026-11-22T01:59:00Z", verified=True)
UP = {Step.INSPECT, Step.REHEARSE, Step.COMPARE, Step.CHECK}
"""Steps while the application runs."""


def ago(seconds: float) -> datetime:
    """The moment so many seconds before now."""
    return NOW - timedelta(seconds=seconds)


def report(ok: bool = True, **more: Any) -> str:
    """A program's termination message."""
    return json.dumps({"v": 1, "ok": ok, **more})


def print_of(fingerprint: Fingerprint) -> dict[str, Any]:
    """Facts with a fingerprint, as the runner writes them."""
    return {
        "fingerprint": {
            "revisions": list(fingerprint.revisions),
            "schema": fingerprint.schema,
            "invalidIndexes": list(fingerprint.invalid_indexes),
            "invalid": fingerprint.invalid,
            "files": fingerprint.files,
            "changes": fingerprint.changes,
            "resets": fingerprint.resets,
        }
    }


def ended(code: int, message: str = "", reason: str = "") -> dict[str, Any]:
    """The state of a container that ended."""
    return {
        "terminated": {"exitCode": code, "message": message, "reason": reason or ("Error" if code else "Completed")}
    }


RUNNING: dict[str, Any] = {"running": {}}
WAITING: dict[str, Any] = {"waiting": {"reason": "PodInitializing"}}


def pod(states: dict[str, dict[str, Any]], *, phase: str = "Running", seconds: float = 1, **more: Any) -> PodSeen:
    """A Pod with these containers' states; `restarts` counts for the guard."""
    restarts = more.pop("restarts", 0)
    found = [{"name": n, "state": s, "restartCount": restarts if n == "guard" else 0} for n, s in states.items()]
    last = more.pop("last", "")
    for item in found:
        if item["name"] == "guard" and last:
            item["lastState"] = {"terminated": {"exitCode": 1, "message": last}}
    raw = {
        "metadata": {"name": "pod-1", "uid": "pod-uid", "creationTimestamp": to_text(ago(seconds))},
        "status": {"phase": phase, "containerStatuses": found, **more},
    }
    return parse_pod(raw)


def job(step: Step, *pods: PodSeen, attempt: int = 1, finished: bool = False, **meta: Any) -> JobSeen:
    """A Job of the run; its uid is that of the recorded attempt."""
    marks = {LABEL_UID: making.UID, LABEL_RUN: RUN, LABEL_STEP: step.value, LABEL_ATTEMPT: str(attempt)}
    raw = {
        "metadata": {"name": f"job-{step.value}", "uid": f"uid-{step.value}-{attempt}", "labels": marks,
                     "creationTimestamp": to_text(ago(1)), **meta},
        "status": {"conditions": [{"type": "Complete", "status": "True"}] if finished else []},
    }  # fmt: skip
    return JobSeen(raw, tuple(pods))


def seen(*, replicas: int = 3, held: bool = False, pods: int = 0, ready: bool = True, **more: Any) -> WorkloadSeen:
    """The Deployment shop-api; `held`: at 0 with our note of the original (3)."""
    raw = making.workload(replicas=0 if held else replicas, **more)
    if held:
        raw["metadata"]["annotations"] = {ORIGINAL: json.dumps({"replicas": 3, "run": RUN})}
    if not ready:
        raw["status"]["readyReplicas"] = 0
    left = tuple(PodSeen(f"app-{at}", f"app-uid-{at}", "Running", to_text(ago(9))) for at in range(pods))
    return WorkloadSeen(WorkloadRef("Deployment", "shop-api"), raw, left)


def scene(
    step: Step, *, changes: dict[str, Any] | None = None, run: dict[str, Any] | None = None, **more: Any
) -> Observed:
    """What is observed in a step of a run that went well so far; `more` replaces fields of Observed."""
    spec = making.spec(changes)
    workload = making.workload()
    stopped = step not in UP and not spec.online
    order = [Step.INSPECT, Step.BACKUP, Step.MIGRATE, Step.RECHECK]
    attempts = {s.value: Attempt(1, uid=f"uid-{s.value}-1") for s in order if s is step}
    fields: dict[str, Any] = {
        "id": RUN, "number": 1, "spec_hash": spec.hash, "generation": 1, "spec": spec.raw, "image": spec.image,
        "target": spec.target, "from_": "0004", "to": spec.target, "step": step, "step_started_at": to_micro(ago(5)),
        "started_at": to_text(ago(60)), "retry_until": to_micro(NOW + timedelta(seconds=240)),
        "template_hash": pod_source(workload, "").hash, "old_image": making.OLD, "attempts": attempts,
        "inspection": Inspection("17.6", 1000, "shop", "identity"), "planned": BEFORE,
        "workloads": (Original("Deployment", "shop-api", 3, {"app": making.OLD}),) if stopped else (),
        "down_since": to_micro(ago(10)) if stopped else "",
        "backup": DUMP if step not in {*UP, Step.QUIESCE, Step.BACKUP} else None,
        **(run or {}),
    }  # fmt: skip
    observed = Observed(
        now=NOW,
        resource=Resource(making.SPACE, making.NAME, making.UID),
        generation=1,
        live=spec,
        spec=spec,
        status=Status(observed_generation=1, run=Run(**fields)),
        has_finalizer=stopped,
        source=workload,
        workloads=(seen(held=stopped),),
        service=making.service(),
    )
    return replace(observed, **more)


def decided(observed: Observed) -> tuple[Decision, Run]:
    """Decide, and return the run beside the decision."""
    decision = decide(observed)
    assert decision.status.run is not None
    return decision, decision.status.run
