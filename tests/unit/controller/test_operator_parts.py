"""Settings, events, logs, metrics, the HTTP server, and which resource an event concerns."""

from __future__ import annotations

import json
import logging
import socket
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
import pytest
from prometheus_client import generate_latest
from tests.unit.making import NAME, SPACE, UID, manifest

from dbmigrations.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Conditions
from dbmigrations.api.names import LABEL_UID
from dbmigrations.api.run import Backup, Run, Step
from dbmigrations.api.status import Status
from dbmigrations.controller.events import event_body, notes_of
from dbmigrations.controller.handlers import Index, operator_settings, register
from dbmigrations.controller.http_server import serve
from dbmigrations.controller.logs import JsonFormatter
from dbmigrations.controller.metrics import Metrics
from dbmigrations.controller.settings import SettingsError, read_settings
from dbmigrations.machine.decision import Note
from dbmigrations.manifests.resource import Resource

RESOURCE = Resource(SPACE, NAME, UID)
NOW = datetime(2026, 11, 22, 2, 14, 7, tzinfo=UTC)


def test_the_runners_image_is_the_only_setting_that_is_needed() -> None:
    found = read_settings({"DBM_RUNNER_IMAGE": "runner:1"})
    assert (found.runner.image, found.runner.pull_policy, found.namespaces) == ("runner:1", "IfNotPresent", ())
    assert (found.http_port, found.log_level, found.machine.retry_for) == (8080, "info", 300)
    assert found.workers > 0


def test_settings_are_read_as_the_chart_writes_them() -> None:
    env = {
        "DBM_RUNNER_IMAGE": "r",
        "DBM_WATCH_NAMESPACES": "shop, billing,",
        "DBM_LOG_LEVEL": "DEBUG",
        "DBM_STOP_TIMEOUT_SECONDS": "90",
        "DBM_CONFIG_GRACE_SECONDS": "",
        "DBM_DELETE_TIMEOUT_SECONDS": "7.5",
    }
    found = read_settings(env)
    assert found.namespaces == ("shop", "billing")
    assert found.log_level == "debug"
    assert (found.machine.stop_timeout, found.machine.config_grace, found.machine.delete_timeout) == (90, 30, 7.5)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({}, "DBM_RUNNER_IMAGE is not set"),
        ({"DBM_LOG_LEVEL": "loud"}, "DBM_LOG_LEVEL is 'loud'"),
        ({"DBM_HTTP_PORT": "http"}, "DBM_HTTP_PORT is 'http': it must be a number"),
        ({"DBM_RETRY_FOR_SECONDS": "-1"}, "must not be negative"),
        ({"DBM_RETRY_FOR_SECONDS": "nan"}, "must be a number"),
        ({"DBM_HTTP_PORT": "inf"}, "must be a number"),
        ({"DBM_WORKERS": "0"}, "DBM_WORKERS"),
    ],
)
def test_a_wrong_setting_is_named(env: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        read_settings({**({"DBM_RUNNER_IMAGE": "r"} if env else {}), **env})


def conditions(**statuses: tuple[str, str]) -> Conditions:
    items = [Condition(kind, status, reason, f"{kind} text") for kind, (status, reason) in statuses.items()]
    return Conditions().set(items, "t", 1)


def test_an_event_tells_each_fact_once_and_how_the_run_ended() -> None:
    before = conditions(Ready=(FALSE, "Probing"), Inspected=(TRUE, "Inspected"), Probed=(UNKNOWN, "NotObserved"))
    after = conditions(Ready=(TRUE, "Migrated"), Inspected=(TRUE, "Inspected"), Probed=(TRUE, "Healthy"))
    assert notes_of(before, after) == [
        Note("Normal", "Probed", "Probed text"),
        Note("Normal", "Ready", "Ready text"),
    ]
    assert notes_of(after, after) == []


def test_a_failure_is_a_warning_with_its_reason() -> None:
    before = conditions(BackupVerified=(UNKNOWN, "NotObserved"), Stalled=(FALSE, "BackingUp"))
    after = conditions(BackupVerified=(FALSE, "DumpFailed"), Stalled=(TRUE, "DumpFailed"))
    assert notes_of(before, after) == [
        Note("Warning", "BackupVerifiedFailed", "BackupVerified text"),
        Note("Warning", "DumpFailed", "Stalled text"),
    ]


def test_an_event_fits_the_api_and_names_its_resource() -> None:
    body = event_body(Resource(SPACE, "a" * 253, UID), Note("Normal", "Ready", "x" * 5000), NOW)
    assert len(body["message"]) == 1024
    assert len(body["metadata"]["name"]) <= 253
    assert body["involvedObject"]["uid"] == UID
    assert body["firstTimestamp"] == "2026-11-22T02:14:07Z"


def test_events_of_one_moment_have_names_of_their_own_and_sort_as_they_came() -> None:
    names = [event_body(RESOURCE, Note("Normal", "R", ""), NOW, position)["metadata"]["name"] for position in range(20)]
    assert sorted(names) == names
    assert len(set(names)) == 20


def test_a_log_record_is_one_line_of_json_with_its_fields() -> None:
    record = logging.LogRecord("dbmigrations", logging.INFO, "x", 1, "decided\nthat", (), None)
    record.fields = {"namespace": "shop", "step": "Backup", "odd": object}
    line = JsonFormatter().format(record)
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["namespace"], found["step"]) == ("decided\nthat", "shop", "Backup")


def ended(outcome: str, reason: str, **more: Any) -> Status:
    run = Run("1-a", 1, "a", step=Step.DONE, outcome=outcome, seconds={"Backup": 2.0}, **more)
    ready = TRUE if outcome == "Succeeded" else FALSE
    stalled = FALSE if outcome == "Succeeded" else TRUE
    return Status(1, "x", conditions(Ready=(ready, reason), Stalled=(stalled, reason)), run)


def shown(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_a_run_is_counted_once_with_its_outcome_and_durations() -> None:
    metrics = Metrics()
    over = ended("Succeeded", "Migrated", downtime="9s", downtime_seconds=9.0, backup=Backup("s3://b", size_bytes=7))
    going = replace(over, run=replace(over.run or Run("", 0, ""), outcome=""))
    metrics.count(Status(), going)
    metrics.count(going, over)
    metrics.count(over, over)
    metrics.show(("shop", "x"), over)
    text = shown(metrics)
    assert 'dbmigrations_runs_total{outcome="Succeeded",reason="Migrated"} 1.0' in text
    assert "dbmigrations_downtime_seconds_sum 9.0" in text
    assert 'dbmigrations_backup_size_bytes{name="x",namespace="shop"} 7.0' in text
    assert 'dbmigrations_step_seconds_sum{step="Backup"} 2.0' in text


def test_what_stands_still_is_shown_after_a_restart_too_and_forgotten_with_its_resource() -> None:
    metrics = Metrics()
    metrics.show(("shop", "x"), ended("Failed", "MigrationFailedHalfway", down_since="t"))
    text = shown(metrics)
    assert 'dbmigrations_stalled{name="x",namespace="shop"} 1.0' in text
    assert 'dbmigrations_application_stopped{name="x",namespace="shop"} 1.0' in text
    assert "dbmigrations_runs_total{" not in text
    metrics.forget(("shop", "x"))
    metrics.forget(("shop", "never seen"))
    assert 'name="x"' not in shown(metrics)


def test_an_event_of_a_job_or_a_workload_concerns_the_resources_that_name_it() -> None:
    index = Index()
    first = manifest()
    second = manifest({"workloads": [{"kind": "StatefulSet", "name": "shop-db-user"}]}, name="other", uid="u2")
    assert index.learn(first, gone=False) == (SPACE, NAME)
    index.learn(second, gone=False)
    assert index.of_labels({LABEL_UID: UID}) == {(SPACE, NAME)}
    assert index.of_labels({LABEL_UID: "unknown"}) == set()
    assert index.of_workload("Deployment", SPACE, "shop-api") == {(SPACE, NAME), (SPACE, "other")}
    assert index.of_workload("StatefulSet", SPACE, "shop-db-user") == {(SPACE, "other")}
    assert index.of_workload("Deployment", "elsewhere", "shop-api") == set()
    index.learn(first, gone=True)
    assert index.of_labels({LABEL_UID: UID}) == set()
    assert index.of_workload("Deployment", SPACE, "shop-api") == {(SPACE, "other")}


def test_an_edited_resource_is_no_longer_concerned_by_what_it_does_not_name() -> None:
    index = Index()
    index.learn(manifest({"workloads": [{"kind": "Deployment", "name": "worker"}]}), gone=False)
    index.learn(manifest(), gone=False)
    assert index.of_workload("Deployment", SPACE, "worker") == set()


def test_kopf_watches_and_neither_posts_nor_stores_anything() -> None:
    async def add(_key: tuple[str, str]) -> None:
        pass

    registry = kopf.OperatorRegistry()
    register(registry, add)
    settings = operator_settings()
    assert not settings.posting.enabled
    assert settings.scanning.disabled
    assert not registry._changing.get_all_handlers()
    assert {
        handler.selector.any_name or handler.selector.plural for handler in registry._watching.get_all_handlers()
    } == {
        "databasemigrations",
        "jobs",
        "pods",
        "deployments",
        "statefulsets",
    }


async def test_liveness_and_readiness_say_what_is_wrong() -> None:
    wrong = {"alive": "", "ready": "not watching yet"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runner = await serve(port, Metrics(), lambda: wrong["alive"], lambda: wrong["ready"])
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

            async def status(path: str) -> int:
                async with session.get(path) as answer:
                    await answer.read()
                    return answer.status

            assert (await status("/healthz"), await status("/readyz"), await status("/metrics")) == (200, 503, 200)
            wrong["ready"] = ""
            assert await status("/readyz") == 200
            wrong["alive"] = "the event loop stands still"
            assert (await status("/healthz"), await status("/readyz")) == (503, 503)
    finally:
        await runner.cleanup()
