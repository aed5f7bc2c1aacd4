"""Migrations that fail: the application comes back, or stays stopped for a reason that nobody can overlook."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from tests.e2e import invariants, scenes
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.manifests import NEW_IMAGE, OLD_IMAGE
from tests.e2e.scenes import ended_badly, ended_well, manifest
from tests.e2e.waiting import report, until

if TYPE_CHECKING:
    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]


@at_once
def test_a_failure_in_one_transaction_leaves_nothing_and_the_application_comes_back(world: World) -> None:
    app = world.app("onetxn-fails", at="onetxn0")
    app.apply(manifest(app, "onetxn3"))
    resource = ended_badly(world, app, "MigrationFailed")
    assert app.revisions() == {"onetxn0"}
    assert_back_as_it_was(app, resource)
    # Corrected, the same resource goes through.
    app.apply(manifest(app, "onetxn3", migration={"workingDir": "/histories/onetxn-fixed"}))
    ended_well(world, app)
    assert app.revisions() == {"onetxn3"}
    assert app.images() == {"app": NEW_IMAGE}


@at_once
def test_a_failure_between_transactions_stops_the_application_until_a_corrected_image_goes_on(world: World) -> None:
    app = world.app("perrev", at="perrev0")
    app.apply(manifest(app, "perrev3"))
    stalled = ended_badly(world, app, "MigrationFailedHalfway")
    first = stalled["status"]["run"]["backup"]
    assert_stopped_and_told(app, stalled)
    assert app.revisions() == {"perrev1"}
    # The same again fails again, and takes nothing away.
    app.edit()
    again = ended_badly(world, app, "MigrationFailed")
    assert app.stopped()
    assert again["status"]["run"]["firstBackup"]["uri"] == first["uri"]
    app.apply(manifest(app, "perrev3", migration={"workingDir": "/histories/perrev-fixed"}))
    ready = ended_well(world, app)
    assert app.revisions() == {"perrev3"}
    assert app.images() == {"app": NEW_IMAGE}
    assert ready["status"]["run"]["firstBackup"]["uri"] == first["uri"]


@at_once
@pytest.mark.parametrize(
    ("history", "at", "what"), [("hidden-change", "hidden0", "the schema"), ("batches", "batches0", "rows of tables")]
)
def test_changes_that_the_version_rows_do_not_show_are_seen(world: World, history: str, at: str, what: str) -> None:
    app = world.app(history, at=at)
    app.apply(manifest(app, app.target))
    resource = ended_badly(world, app, "MigrationFailedHalfway")
    assert app.revisions() == {at}
    assert what in condition(resource, "Stalled")["message"]
    assert_stopped_and_told(app, resource)


@at_once
def test_a_command_that_migrates_something_else_and_ends_with_0_is_no_success(world: World) -> None:
    app = world.app("sqlite")
    app.apply(manifest(app, "sqlite1", migration={"env": [{"name": "HOME", "value": "/tmp"}]}))
    resource = app.wait_ended(timeout=420)
    assert condition(resource, "Stalled")["reason"] == "TargetNotReached", condition(resource, "Ready")
    assert_back_as_it_was(app, resource)
    assert "another database" in condition(resource, "Stalled")["message"]


@at_once
def test_a_lock_that_is_not_granted_is_tried_again_and_then_the_blocker_is_named(world: World) -> None:
    app = world.app("lock", at="lock0")
    limits = {"migration": {"lockTimeout": "1s", "lockRetries": 1}, "sessions": {"ignore": ["report"]}}
    with scenes.session(world, app, "report", "SELECT 1 FROM t LIMIT 1"):
        app.apply(manifest(app, "lock1", **limits))
        resource = app.wait_ended(timeout=420)
    assert condition(resource, "Stalled")["reason"] == "LockTimeout", condition(resource, "Stalled")
    assert "report@" in condition(resource, "Stalled")["message"]
    assert scenes.attempts_of(resource)["Migrate"] == 2
    assert "LockTimeout" in scenes.reasons(app)
    invariants.check(world, app)
    assert_back_as_it_was(app, resource)
    app.edit()
    ended_well(world, app)
    assert app.revisions() == {"lock1"}


@at_once
def test_a_lock_that_is_let_go_of_in_time_costs_an_attempt_and_nothing_else(world: World) -> None:
    app = world.app("lock", at="lock0")
    limits = {"migration": {"lockTimeout": "1s", "lockRetries": 5}, "sessions": {"ignore": ["report"]}}
    with scenes.session(world, app, "report", "SELECT 1 FROM t LIMIT 1"):
        app.apply(manifest(app, "lock1", **limits))
        until("a second attempt", lambda: len(scenes.jobs_of(app, "Migrate")) >= 2, 240, lambda: report(app))
    resource = ended_well(world, app)
    assert scenes.attempts_of(resource)["Migrate"] >= 2
    assert app.revisions() == {"lock1"}


@at_once
def test_another_migration_of_the_database_is_not_joined_and_no_pod_is_left_behind(world: World) -> None:
    app = world.app("linear", at="linear0")
    lock = f"SELECT pg_advisory_lock({int.from_bytes(sha256(b'dbmigrations.dev').digest()[:8], 'big', signed=True)})"
    with scenes.session(world, app, "another-cluster", lock):
        app.apply(manifest(app, "linear1", sessions={"ignore": ["another-cluster"]}))
        resource = app.wait_ended(timeout=420)
    assert condition(resource, "Stalled")["reason"] == "LockHeld", condition(resource, "Stalled")
    assert "another-cluster@" in condition(resource, "Stalled")["message"]
    invariants.check(world, app)
    assert_back_as_it_was(app, resource)
    # The guard never armed: a hook that waits for it must not keep the Pod.
    until("the Migrate Pod is gone or has ended", lambda: all(map(_over, scenes.pods_of(app, "Migrate"))), 120)


@at_once
def test_a_client_that_is_not_listed_keeps_the_backup_from_being_taken(world: World) -> None:
    app = world.app("linear", at="linear0")
    with scenes.session(world, app, "nightly-report"):
        app.apply(manifest(app, "linear1", sessions={"timeout": "2s"}))
        resource = app.wait_ended(timeout=420)
    assert condition(resource, "BackupVerified")["reason"] == "ForeignSessions", condition(resource, "Stalled")
    assert "nightly-report" in condition(resource, "Stalled")["message"]
    invariants.check(world, app)
    assert_back_as_it_was(app, resource)
    assert not scenes.jobs_of(app, "Migrate")


@at_once
def test_pods_that_ignore_their_end_are_waited_for(world: World) -> None:
    app = world.app("linear", at="linear0")
    scenes.stops_slowly(app, 6)
    app.apply(manifest(app, "linear1"))
    resource = ended_well(world, app)
    assert resource["status"]["run"]["seconds"]["Quiesce"] >= 5
    assert app.revisions() == {"linear1"}


@at_once
def test_somebody_who_scales_up_while_it_stops_is_overruled_and_named(world: World) -> None:
    app = world.app("linear", at="linear0")
    scenes.stops_slowly(app, 6)
    app.apply(manifest(app, "linear1"))
    app.wait_phase("m", "Stopping")
    until("it is at 0", lambda: app.replicas() == 0, 20)
    scale(app, 3, "an-autoscaler")
    resource = ended_well(world, app)
    assert app.revisions() == {"linear1"}
    warning = next(message for _, reason, message in app.events() if reason == "ScaleDownContested")
    assert "scaled to 3 by an-autoscaler" in warning
    assert resource["status"]["run"]["workloads"][0]["replicas"] == 2


@at_once
def test_somebody_who_scales_up_during_the_backup_ends_the_run(world: World) -> None:
    app = world.app("linear", at="linear0")
    with scenes.session(world, app, "hold"):
        app.apply(manifest(app, "linear1", sessions={"timeout": "60s"}))
        until("the backup waits", lambda: scenes.running(app, "Backup", "backup"), 300)
        scale(app, 1, "somebody")
        resource = app.wait_ended(timeout=420)
    stalled = condition(resource, "Stalled")
    assert stalled["reason"] == "ScaledUpDuringBackup"
    assert "scaled to 1 by somebody" in stalled["message"]
    invariants.check(world, app)
    assert app.revisions() == {"linear0"}


@at_once
def test_somebody_who_scales_up_during_the_migration_is_overruled_and_named(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "8"}]}))
    until("it migrates", lambda: scenes.running(app, "Migrate", "migrate"), 300)
    scale(app, 1, "somebody")
    ended_well(world, app)
    warning = next(message for _, reason, message in app.events() if reason == "ScaleDownContested")
    assert "scaled to 1 by somebody while the migration runs" in warning


@at_once
def test_a_bucket_that_is_lost_after_the_inspection_brings_the_application_back(world: World) -> None:
    app = world.app("linear", at="linear0")
    scenes.stops_slowly(app, 6)
    app.apply(manifest(app, "linear1"))
    app.wait_phase("m", "Stopping")
    good = app.kubectl("get", "secret", "s3", "-o", "json")
    wrong = {"stringData": {"AWS_SECRET_ACCESS_KEY": "rotated-since-the-inspection"}}
    app.kubectl("patch", "secret", "s3", "-p", json.dumps(wrong))
    resource = app.wait_ended(timeout=420)
    assert condition(resource, "BackupVerified")["reason"] == "InvalidCredentials", condition(resource, "Stalled")
    assert_back_as_it_was(app, resource)
    invariants.check(world, app)
    app.kubectl("patch", "secret", "s3", "-p", json.dumps({"data": json.loads(good)["data"]}))
    app.edit()
    ended_well(world, app)
    assert app.revisions() == {"linear1"}


def assert_back_as_it_was(app: App, resource: Json) -> None:
    """The old version runs again, with all that it had."""
    app.wait_ready(timeout=240)
    assert app.images() == {"app": OLD_IMAGE}
    assert "back" in condition(resource, "Stalled")["message"]


def assert_stopped_and_told(app: App, resource: Json) -> None:
    """Stopped, and every place where somebody might look says so and what to do."""
    assert app.stopped()
    message = condition(resource, "Stalled")["message"]
    for words in ("THE APPLICATION IS STOPPED", resource["status"]["run"]["backup"]["uri"], "WAS CHANGED", "corrected"):
        assert words in message, message
    assert condition(resource, "Ready")["status"] == "False"
    app.wait_told("Warning", "MigrationFailedHalfway")
    annotations = app.workload()["metadata"]["annotations"]
    assert json.loads(annotations["dbmigrations.dev/original"])["replicas"] == 2
    assert "WAS CHANGED" in annotations["dbmigrations.dev/stopped-because"]


def _over(pod: Json) -> bool:
    return pod["status"]["phase"] in {"Succeeded", "Failed"}


def scale(app: App, replicas: int, who: str) -> None:
    """Scale the application as somebody else."""
    patch = json.dumps({"spec": {"replicas": replicas}})
    app.kubectl("patch", "deployment", "app", "--field-manager", who, "-p", patch)
