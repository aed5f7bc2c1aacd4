"""The small facts that decisions rest on: versions, fingerprints, reports, Pods, workloads, writers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import spec, workload

from dbmigrations.api.names import ORIGINAL
from dbmigrations.api.run import Fingerprint
from dbmigrations.api.spec import WorkloadRef
from dbmigrations.machine.observed import Problem, WorkloadSeen
from dbmigrations.machine.pods import missing_reason, parse_pod
from dbmigrations.machine.results import backup_of, fingerprint_of, inspection_of, parse_result
from dbmigrations.machine.unchanged import Verdict, compare
from dbmigrations.machine.versions import at_target, for_people, in_full
from dbmigrations.machine.writers import replica_writer

BEFORE = Fingerprint(("0004",), "s4", ("a.i",), "i1", "f", "c", "r")


@pytest.mark.parametrize(
    ("target", "rows", "reached"),
    [
        ("0005", ("0005",), True),
        ("0005", ("0004", "0005"), True),
        ("0005", ("0004",), False),
        ("0005", (), False),
        ("0005", ("00051",), False),
        ("billing@0005", ("0005",), True),
        ("heads", ("0005",), False),
        ("head", ("head",), False),
        ("billing@head", ("head",), False),
    ],
)
def test_a_database_is_at_a_target_that_names_one_of_its_rows(
    target: str, rows: tuple[str, ...], reached: bool
) -> None:
    assert at_target(spec({"migration": {"target": target}}), rows) is reached


def test_versions_are_sets_for_people_too() -> None:
    assert (for_people(()), for_people(("b",)), for_people(("b", "a"))) == ("(empty)", "b", "a +1")
    assert (in_full(()), in_full(("b", "a"))) == ("no version at all", "a, b")


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ({}, Verdict.UNCHANGED),
        ({"revisions": ("0005",)}, Verdict.CHANGED),
        ({"schema": "s5"}, Verdict.CHANGED),
        ({"invalid": "i2"}, Verdict.CHANGED),
        ({"invalid_indexes": ()}, Verdict.CHANGED),
        ({"files": "g"}, Verdict.CHANGED),
        ({"changes": "d"}, Verdict.CHANGED),
        ({"resets": "q"}, Verdict.UNKNOWN),
        ({"changes": "d", "resets": "q"}, Verdict.UNKNOWN),
        ({"schema": "s5", "resets": "q"}, Verdict.CHANGED),
        ({"schema": ""}, Verdict.UNKNOWN),
    ],
)
def test_unchanged_is_a_strong_word(after: dict[str, Any], verdict: Verdict) -> None:
    assert compare(BEFORE, replace(BEFORE, **after))[0] is verdict


def test_what_was_not_read_is_unknown() -> None:
    assert compare(None, BEFORE)[0] is Verdict.UNKNOWN
    assert compare(BEFORE, None)[0] is Verdict.UNKNOWN
    assert compare(Fingerprint(), Fingerprint())[0] is Verdict.UNKNOWN


words = st.text(max_size=3)
prints = st.builds(Fingerprint, st.lists(words, max_size=2).map(tuple), words, st.just(()), words, words, words, words)


@given(prints, prints)
def test_only_equal_fingerprints_are_unchanged(before: Fingerprint, after: Fingerprint) -> None:
    verdict, said = compare(before, after)
    assert said
    if verdict is Verdict.UNCHANGED:
        assert before == after


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "1", '"x"', "{}", '{"v": 2, "ok": true}', '{"v": 1}', '{"v": 1, "ok": true, "facts": 7}',
     '{"v": 1, "ok": true, "facts": {"a": 1}, "mess', "Traceback (most recent call last):"],
)  # fmt: skip
def test_an_unreadable_report_is_a_lost_fact(text: str) -> None:
    assert parse_result(text) is None


@given(st.text(max_size=200))
def test_no_text_is_a_report_by_chance_or_an_error(text: str) -> None:
    assert parse_result(text) is None


def test_a_report_gives_what_the_programs_wrote() -> None:
    facts = {
        "serverVersion": "17.6", "sizeBytes": 7, "database": "shop", "identity": {"id": "x"}, "warnings": ["w"],
        "backupMemoryBytes": 9, "uri": "s3://b/k", "manifestKey": "k", "versionID": "v", "sha256": "f", "verified": True,
        "verifyNote": "n", "tables": 8,
        "fingerprint": {"revisions": ["0004"], "schema": "s4", "invalidIndexes": ["a.i"], "invalid": "i1", "files": "f",
                        "changes": "c", "resets": "r"},
    }  # fmt: skip
    result = parse_result(json.dumps({"v": 1, "ok": True, "facts": facts}))
    assert result is not None
    assert fingerprint_of(result) == BEFORE
    seen, dump = inspection_of(result), backup_of(result)
    assert (seen.server_version, seen.identity, seen.warnings, seen.backup_memory_bytes) == ("17.6", "x", ("w",), 9)
    assert (dump.uri, dump.manifest_key, dump.version_id, dump.verified, dump.note) == ("s3://b/k", "k", "v", True, "n")
    assert fingerprint_of(None) is None


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
    found = parse_pod(pod(conditions=[condition])).trouble(NOW + timedelta(minutes=1), 30)
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
