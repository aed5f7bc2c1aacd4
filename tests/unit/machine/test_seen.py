"""What is read from Pods, workloads and refusals, before any step makes something of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.making import workload

from dbmigrations.api.names import ORIGINAL
from dbmigrations.api.spec import WorkloadRef
from dbmigrations.machine.observed import Problem, WorkloadSeen
from dbmigrations.machine.pods import missing_reason, parse_pod
from dbmigrations.machine.writers import replica_writer

NOW = datetime(2026, 11, 22, 2, tzinfo=UTC)


def pod(*containers: dict[str, Any], phase: str = "Pending", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "p", "uid": "u", "creationTimestamp": "2026-11-22T02:00:00Z"},
        "status": {"phase": phase, "containerStatuses": list(containers), **status},
    }


def container(name: str = "main", restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"name": name, "state": state, "restartCount": restarts}


@pytest.mark.parametrize(
    ("state", "ran", "ended"),
    [
        ({}, False, False),
        ({"waiting": {"reason": "ContainerCreating"}}, False, False),
        ({"running": {}}, True, False),
        ({"terminated": {"exitCode": 0, "reason": "Completed"}}, True, True),
        ({"terminated": {"exitCode": 1, "reason": "Error"}}, True, True),
        ({"terminated": {"exitCode": 128, "reason": "StartError"}}, False, True),
        ({"terminated": {"exitCode": 128, "reason": "ContainerCannotRun"}}, False, True),
        ({"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}, False, True),
    ],
)
def test_a_container_has_run_once_its_process_was_started(state: dict[str, Any], ran: bool, ended: bool) -> None:
    seen = parse_pod(pod(container(**state)))
    assert seen.container("main").ever_ran is ran
    assert seen.ended is ended


def test_a_pod_that_nobody_reported_on_yet_has_neither_run_nor_ended() -> None:
    seen = parse_pod({"metadata": pod()["metadata"]})
    assert not seen.ended
    assert seen.container("main").waiting == "NotReported"
    assert parse_pod(pod(phase="Failed", reason="Evicted")).ended


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"])
def test_an_image_that_cannot_be_pulled_is_told_after_the_grace(reason: str) -> None:
    seen = parse_pod(pod(container(waiting={"reason": reason, "message": "no such image"})))
    assert seen.trouble(NOW + timedelta(seconds=29), 30) is None
    found = seen.trouble(NOW + timedelta(seconds=30), 30)
    assert found is not None
    assert found[0] == "ImagePullFailed"
    assert "no such image" in found[1]


def test_a_pod_that_fits_nowhere_says_why() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: insufficient memory"}
    seen = parse_pod(pod(conditions=[condition]))
    assert seen.trouble(NOW + timedelta(minutes=1), 30) is None, "an autoscaler may be starting a node"
    found = seen.trouble(NOW + timedelta(minutes=3), 30)
    assert found is not None
    assert (found[0], "insufficient memory" in found[1]) == ("Unschedulable", True)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ('secret "db" not found', "SecretNotFound"),
        ('MountVolume.SetUp failed for volume "x" : secret "db" not found', "SecretNotFound"),
        ('configmap "shop" not found', "ConfigMapNotFound"),
        ("couldn't find key url in Secret shop/db", "SecretKeyNotFound"),
        ("couldn't find key url in ConfigMap shop/db", "ConfigMapKeyNotFound"),
        ("references non-existent secret key: ca.pem", "SecretKeyNotFound"),
        ("references non-existent config key: ca.pem", "ConfigMapKeyNotFound"),
        ('error looking up service account shop/x: serviceaccount "x" not found', "ServiceAccountNotFound"),
        ('pods "x" is forbidden: exceeded quota: q, requested: pods=1', "QuotaExceeded"),
        ('pods "x" is forbidden: violates PodSecurity "restricted:latest"', "PodSecurityViolation"),
        ('persistentvolumeclaim "data" not found', "VolumeClaimNotFound"),
        ("something else", "Other"),
    ],
)
def test_messages_of_kubernetes_get_stable_reasons(message: str, reason: str) -> None:
    assert missing_reason(message, "Other") == reason


REF = WorkloadRef("Deployment", "shop-api")


def seen(replicas: int = 3, status: dict[str, Any] | None = None, **meta: Any) -> WorkloadSeen:
    raw = workload(replicas=replicas)
    raw["status"] |= status or {}
    raw["metadata"] |= meta
    return WorkloadSeen(REF, raw)


@pytest.mark.parametrize(
    ("found", "back"),
    [
        (seen(), True),
        (seen(0), True),
        (seen(generation=2), False),
        (seen(status={"readyReplicas": 2}), False),
        (seen(status={"updatedReplicas": 1}), False),
        (seen(status={"replicas": 4}), False),
        (seen(0, {"replicas": 1}), False),
        (WorkloadSeen(REF, None), False),
    ],
)
def test_back_is_every_pod_ready_and_of_the_newest_template(found: WorkloadSeen, back: bool) -> None:
    assert found.back is back


@pytest.mark.parametrize(
    ("found", "down"),
    [
        (seen(0), True),
        (seen(), False),
        (seen(0, generation=2), False),
        (seen(0, {"replicas": 1}), False),
        (replace(seen(0), pods=(parse_pod(pod()),)), False),
        (WorkloadSeen(REF, None), True),
    ],
)
def test_down_is_no_pod_left_terminating_ones_included(found: WorkloadSeen, down: bool) -> None:
    assert found.down is down


def test_only_a_zero_with_our_note_is_held() -> None:
    note = {ORIGINAL: '{"replicas": 3}'}
    assert seen(0, annotations=note).held
    assert not seen(2, annotations=note).held
    assert not seen(0).held
    assert seen(0, annotations=note).original.replicas == 3


@pytest.mark.parametrize(
    ("problem", "passing"),
    [
        (Problem(0, "NoAnswer", ""), True),
        (Problem(429, "TooManyRequests", ""), True),
        (Problem(500, "InternalError", ""), True),
        (Problem(503, "ServiceUnavailable", ""), True),
        (Problem(403, "Forbidden", "exceeded quota: q"), True),
        (Problem(403, "Forbidden", "violates PodSecurity"), False),
        (Problem(422, "Invalid", ""), False),
        (Problem(404, "NotFound", ""), False),
    ],
)
def test_only_some_refusals_pass_by_themselves(problem: Problem, passing: bool) -> None:
    assert problem.passing is passing


def test_the_writer_of_replicas_is_named() -> None:
    fields = [
        {"manager": "kubectl", "fieldsV1": {"f:metadata": {}}},
        {"manager": "hpa", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    assert replica_writer({"metadata": {"managedFields": fields}}) == "hpa"
    assert replica_writer({"metadata": {"managedFields": fields[:1]}}) == "somebody"
    assert replica_writer({"metadata": {}}) == "somebody"
