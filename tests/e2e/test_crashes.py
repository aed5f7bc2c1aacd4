"""The operator is killed at every boundary, Pods of its Jobs are killed in their work: the outcome is the same."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.e2e import invariants, scenes
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.manifests import NEW_IMAGE
from tests.e2e.scenes import ended_badly, ended_well, manifest
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]
ONCE = {"Inspect": 1, "Backup": 1, "Migrate": 1}


@at_once
def test_the_operator_is_killed_in_every_step_of_a_run_that_succeeds(world: World) -> None:
    app = world.app("slow", at="slow0")
    scenes.stops_slowly(app, 6)
    scenes.starts_slowly(app, 6)
    slow = {"env": [{"name": "SLOW_SECONDS", "value": "6"}]}
    lock = "LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"
    with scenes.session(world, app, "hold-the-inspection", lock):
        app.apply(
            manifest(
                app,
                "slow1",
                migration=slow,
                rehearsal={"mode": "Required"},
                probe={"successes": 6, "timeout": "60s"},
                sessions={"timeout": "90s"},
            )
        )
        kill_in(world, app, "Inspecting")
    kill_in(world, app, "Rehearsing")
    with scenes.session(world, app, "hold-the-backup"):
        kill_in(world, app, "Stopping")
        kill_in(world, app, "BackingUp")
    for phase in ("Migrating", "Starting", "Probing"):
        kill_in(world, app, phase)
    resource = ended_well(world, app)
    assert app.revisions() == {"slow1"}
    assert app.images() == {"app": NEW_IMAGE}
    # On a busy machine the inspection may have given up on the lock once, and been tried again.
    assert {**scenes.attempts_of(resource), "Inspect": 1} == {**ONCE, "Rehearse": 1, "Compare": 1}
    assert [len(scenes.jobs_of(app, step)) for step in ("Rehearse", "Backup", "Migrate")] == [1, 1, 1]
    assert resource["status"]["run"]["number"] == 1
    told = scenes.reasons(app)
    facts = ("Inspected", "Rehearsed", "Quiesced", "BackupVerified", "Migrated", "SchemaClean", "Resumed", "Probed")
    for fact in (*facts, "Ready"):
        assert told.count(fact) == 1, told


@at_once
def test_the_operator_is_killed_in_the_steps_of_a_run_that_fails(world: World) -> None:
    app = world.app("onetxn-fails", at="onetxn0")
    scenes.starts_slowly(app, 6)
    app.apply(manifest(app, "onetxn3"))
    kill_in(world, app, "Migrating")
    kill_in(world, app, "PuttingBack")
    resource = ended_badly(world, app, "MigrationFailed")
    assert app.revisions() == {"onetxn0"}
    assert scenes.attempts_of(resource) == ONCE
    app.wait_ready(timeout=240)


@at_once
def test_the_operator_is_killed_again_and_again(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear3"))
    phases: set[str] = set()
    ended: Json | None = None
    while ended is None:
        found = until("it goes on", lambda: _new_phase(app, phases), 300)
        phases.add(found["status"]["phase"])
        if found["status"]["run"].get("outcome"):
            ended = found
        else:
            kill(world)
    resource = ended_well(world, app)
    assert scenes.attempts_of(resource) == ONCE
    assert len(scenes.jobs_of(app, "Migrate")) == 1


@at_once
def test_a_backup_that_is_killed_in_its_upload_is_made_again_under_another_key(world: World) -> None:
    app = world.app("linear", at="linear0")
    # Hardly compressible, so that the dump has more than one part.
    text = " || ".join(f"md5((n * {factor})::text)" for factor in range(1, 8))
    app.sql(f"CREATE TABLE bulk AS SELECT n, {text} AS text FROM generate_series(1, 150000) AS n")
    app.sql(f'ALTER TABLE bulk OWNER TO "{app.database}"')
    app.apply(manifest(app, "linear1", backup={"compression": "zstd:16"}))
    pod = until("a part of the dump is uploaded", lambda: _uploading(world, app), 300)
    app.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    resource = ended_well(world, app)
    assert scenes.attempts_of(resource)["Backup"] == 2
    uid = resource["metadata"]["uid"]
    finished = [key for key in world.bucket() if f"/{uid}/" in key and ".sgwtmp" not in key]
    assert {key.rpartition("/")[2] for key in finished} == {"dump.pgc", "manifest.json"}
    assert all("/2/" in key for key in finished), finished
    assert app.revisions() == {"linear1"}


@at_once
def test_a_migration_whose_pod_is_killed_is_judged_by_the_database(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "15"}]}))
    pod = until("it migrates", lambda: _sleeping(world, app) and scenes.running(app, "Migrate", "migrate"), 300)
    app.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    resource = ended_badly(world, app, "MigrationLost")
    assert app.revisions() == {"slow0"}
    assert not app.sql("SELECT 1 FROM information_schema.columns WHERE table_name = 'jobs' AND column_name = 'note'")
    app.wait_ready(timeout=240)
    assert scenes.attempts_of(resource)["Migrate"] == 1
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "0"}]}))
    ended_well(world, app)
    assert app.revisions() == {"slow1"}


@at_once
def test_a_migration_that_had_committed_when_its_pod_was_killed_is_a_success(world: World) -> None:
    app = world.app("linear", at="linear0")
    # After the commit the command goes on for a while, and is killed in it.
    command = ["sh", "-c", "alembic upgrade $DBM_TARGET; sleep 60"]
    app.apply(manifest(app, "linear3", migration={"command": command}))
    until("it is committed", lambda: app.revisions() == {"linear3"}, 300)
    pod = until("its Pod", lambda: scenes.running(app, "Migrate", "migrate"), 10)
    app.kubectl("delete", "pod", pod, "--grace-period=0", "--force")
    resource = ended_well(world, app)
    assert "lost before its exit code was seen" in condition(resource, "Migrated")["message"]
    assert app.images() == {"app": NEW_IMAGE}


@at_once
def test_a_migration_whose_job_is_deleted_is_judged_by_the_database(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "15"}]}))
    until("it migrates", lambda: _sleeping(world, app), 300)
    app.kubectl("delete", "job", "-l", "dbmigrations.dev/step=Migrate", "--wait=false")
    app.wait_ended(timeout=420)
    invariants.check(world, app)
    # Its Pod was asked to end: the outcome is one of the two, and told as what it is.
    reached = app.revisions() == {"slow1"}
    assert (condition(app.get(), "Ready")["status"] == "True") == reached
    app.wait_ready(timeout=240)
    assert (app.images() == {"app": NEW_IMAGE}) == reached


def test_the_operator_is_away_while_the_migration_runs_and_ends(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "4"}]}))
    until("it migrates", lambda: scenes.running(app, "Migrate", "migrate"), 300)
    with operator_away(world):
        until("the Job is done", lambda: scenes.jobs_of(app, "Migrate")[0]["status"].get("succeeded"), 60)
        assert app.get()["status"]["phase"] == "Migrating"
    resource = ended_well(world, app)
    assert app.revisions() == {"slow1"}
    assert scenes.attempts_of(resource) == ONCE
    assert len(scenes.jobs_of(app, "Migrate")) == 1


def test_the_chart_is_upgraded_while_a_run_is_in_flight(world: World) -> None:
    app = world.app("slow", at="slow0")
    app.apply(manifest(app, "slow1", migration={"env": [{"name": "SLOW_SECONDS", "value": "6"}]}))
    until("it migrates", lambda: scenes.running(app, "Migrate", "migrate"), 300)
    before = world.operator_pod()
    world.install(logLevel="debug")
    assert world.operator_pod() != before
    resource = ended_well(world, app)
    assert scenes.attempts_of(resource) == ONCE
    assert app.revisions() == {"slow1"}
    world.install()


def kill_in(world: World, app: App, phase: str) -> None:
    """Kill the operator once the run is in that phase, and wait until another one watches."""
    app.wait_phase("m", phase, timeout=300)
    kill(world)


def kill(world: World) -> None:
    """Kill the operator, and wait until another one watches."""
    with _KILLING:
        killed = world.operator_pod()
        world.kill_operator()
        until("another operator", lambda: _ready_operator(world, killed), 180)


_KILLING = threading.Lock()
"""Tests at the same time kill one after the other, so that each of them knows that it was killed for it."""


def _ready_operator(world: World, killed: str) -> bool:
    pods = world.list(f"/api/v1/namespaces/{scenes.OPERATOR}/pods?labelSelector=app.kubernetes.io/name=dbmigrations")
    states = [c for p in pods if p["metadata"]["name"] != killed for c in p["status"].get("conditions", [])]
    return any(c["type"] == "Ready" and c["status"] == "True" for c in states)


@contextmanager
def operator_away(world: World) -> Iterator[None]:
    """No operator at all, as when its node is gone."""
    deployment = ("deployment/dbmigrations-operator", "-n", scenes.OPERATOR)
    world.kubectl("scale", *deployment, "--replicas=0")
    world.kubectl("wait", "pod", "-l", "app.kubernetes.io/name=dbmigrations", "--for=delete", *deployment[1:])
    try:
        yield
    finally:
        world.kubectl("scale", *deployment, "--replicas=1")
        world.kubectl("rollout", "status", *deployment, "--timeout=120s")


def _new_phase(app: App, known: set[str]) -> Json | None:
    found = app.get()
    phase = found["status"].get("phase")
    return found if phase and phase not in known else None


def _sleeping(world: World, app: App) -> bool:
    """Tell whether the migration is in the middle of its statement."""
    query = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{app.database}' AND wait_event = 'PgSleep'"
    return bool(world.sql("postgres", query))


def _uploading(world: World, app: App) -> str | None:
    """Return the Backup's Pod once a part of its dump has reached the store, before it has ended."""
    found = app.find() or {}
    uid = found.get("metadata", {}).get("uid", "-")
    find = ("find", "/data/objects/backups", "-path", "*sgwtmp*", "-type", "f", "-size", "+1M")
    parts = world.kubectl("exec", "-n", "e2e-servers", "deployment/s3", "--", *find, check=False)
    pod = scenes.running(app, "Backup", "backup")
    return pod if parts and uid and pod else None
