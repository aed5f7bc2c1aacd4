"""A resource that is deleted in the middle of its run: bounded, and the application is left as it must be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.e2e import invariants, scenes
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.manifests import NEW_IMAGE, OLD_IMAGE
from tests.e2e.scenes import ended_well, manifest
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.e2e.app import App
    from tests.e2e.world import World

BOUND = 60
"""Seconds within which a deleted resource is gone."""


@at_once
def test_deleted_while_it_is_inspected_nothing_was_touched_and_nothing_stays(world: World) -> None:
    app = world.app("linear", at="linear0")
    generation = app.workload()["metadata"]["generation"]
    with scenes.session(world, app, "hold", "LOCK TABLE items IN ACCESS EXCLUSIVE MODE"):
        app.apply(manifest(app, "linear1"))
        until("it is inspected", lambda: scenes.running(app, "Inspect", "inspect"), 60)
        delete(app)
    until("its Jobs are gone too", lambda: not app.jobs(), BOUND)
    assert app.workload()["metadata"]["generation"] == generation
    invariants.no_session_is_left(world, app)


@at_once
def test_deleted_while_the_application_stops_it_comes_back(world: World) -> None:
    app = world.app("linear", at="linear0")
    scenes.stops_slowly(app, 6)
    app.apply(manifest(app, "linear1"))
    until("it is at 0", lambda: app.replicas() == 0, 60)
    delete(app)
    assert_as_before(world, app, {"linear0"})


@at_once
def test_deleted_while_it_is_backed_up_the_application_comes_back(world: World) -> None:
    app = world.app("linear", at="linear0")
    with scenes.session(world, app, "hold"):
        app.apply(manifest(app, "linear1", sessions={"timeout": "60s"}))
        until("the backup waits", lambda: scenes.running(app, "Backup", "backup"), 300)
        delete(app)
    assert_as_before(world, app, {"linear0"})
    assert not [key for key in world.bucket() if f"/{app.namespace}/" in key]


@at_once
@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_deleted_while_it_migrates_the_migration_ends_and_its_outcome_counts(world: World, cascade: str) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "6"}]}))
    until("it migrates", lambda: scenes.running(app, "Migrate", "migrate"), 300)
    delete(app, cascade)
    assert app.revisions() == {"slow1"}
    assert (app.replicas(), app.images()) == (2, {"app": NEW_IMAGE})
    invariants.no_session_is_left(world, app)


@at_once
def test_deleted_while_it_fails_halfway_it_says_so_on_the_workload_and_a_new_one_takes_over(world: World) -> None:
    app = world.app("perrev", at="perrev0")
    app.apply(manifest(app, "perrev3"))
    until("it migrates", lambda: scenes.jobs_of(app, "Migrate") or None, 300)
    delete(app)
    assert app.revisions() == {"perrev1"}
    assert app.replicas() == 0
    annotations = app.workload()["metadata"]["annotations"]
    assert json.loads(annotations["dbmigrations.dev/original"])["replicas"] == 2
    assert "perrev1" in annotations["dbmigrations.dev/stopped-because"]
    app.wait_told("Warning", "LeftStopped")
    app.apply(manifest(app, "perrev3", name="other", migration={"workingDir": "/histories/perrev-fixed"}))
    resource = app.wait_ended("other", timeout=420)
    assert condition(resource, "Ready")["status"] == "True", condition(resource, "Ready")
    invariants.check(world, app, "other")
    assert app.images() == {"app": NEW_IMAGE}


@at_once
def test_deleted_in_a_migration_without_end_it_is_stopped_and_the_application_stays_so(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "600"}]}))
    until("it migrates", lambda: scenes.running(app, "Migrate", "migrate"), 300)
    delete(app, seconds=150)
    until("its Pod is gone", lambda: not scenes.pods_of(app, "Migrate"), 10)
    invariants.no_session_is_left(world, app)
    assert app.revisions() == {"slow0"}
    assert app.replicas() == 0
    assert "dbmigrations.dev/stopped-because" in app.workload()["metadata"]["annotations"]
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "0"}]}))
    ended_well(world, app)


@at_once
def test_a_finalizer_that_was_forced_off_does_not_lose_the_original_replicas(world: World) -> None:
    app = world.app("linear", at="linear0")
    with scenes.session(world, app, "hold"):
        app.apply(manifest(app, "linear1", sessions={"timeout": "90s"}))
        until("the backup waits", lambda: scenes.running(app, "Backup", "backup"), 300)
        patch = '{"metadata":{"finalizers":null}}'
        app.kubectl("delete", "databasemigration", "m", "--wait=false")
        # The operator may have been quicker; both ends are right.
        app.kubectl("patch", "databasemigration", "m", "--type=merge", "-p", patch, check=False)
        until("it is gone", lambda: app.find() is None, BOUND)
        app.kubectl("delete", "jobs", "--all")
    app.apply(manifest(app, "linear2"))
    ended_well(world, app)
    assert app.revisions() == {"linear2"}


@at_once
def test_one_that_is_deleted_after_it_stalled_leaves_the_next_one_what_it_needs(world: World) -> None:
    app = world.app("perrev", at="perrev0")
    app.apply(manifest(app, "perrev3"))
    scenes.ended_badly(world, app, "MigrationFailedHalfway")
    delete(app, seconds=10)
    app.apply(manifest(app, "perrev3", migration={"workingDir": "/histories/perrev-fixed"}))
    ended_well(world, app)
    assert app.revisions() == {"perrev3"}


def delete(app: App, cascade: str = "background", *, seconds: float = BOUND) -> None:
    """Delete the resource and wait until it is gone."""
    app.kubectl("delete", "databasemigration", "m", f"--cascade={cascade}", "--wait=false")
    until("the resource is gone", lambda: app.find() is None, seconds)


def assert_as_before(world: World, app: App, revisions: set[str]) -> None:
    """The application runs as it did, on the database that it had."""
    app.wait_ready(timeout=240)
    assert (app.replicas(), app.images()) == (2, {"app": OLD_IMAGE})
    assert "dbmigrations.dev/original" not in app.workload()["metadata"].get("annotations", {})
    assert app.revisions() == revisions
    assert not scenes.jobs_of(app, "Migrate")
    invariants.no_session_is_left(world, app)
