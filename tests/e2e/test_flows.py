"""Runs that succeed, in every form that a manifest can ask for, and what an edit does when."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

import pytest
from tests.e2e import invariants, scenes
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.manifests import NEW_IMAGE
from tests.e2e.scenes import ended_well, manifest
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]
TOLD = (
    "RunStarted",
    "Inspected",
    "Stopping",
    "Quiesced",
    "BackupVerified",
    "Migrated",
    "SchemaClean",
    "Probed",
    "Ready",
)
"""Events in their order; those of steps that begin stand between them, and Resumed where the last workload is back."""
WRONG = {"http": {"expectJSON": {"status": "of the next version"}}}
RIGHT = {"http": {"expectJSON": {"status": "ready", "database": "connected"}}}


@at_once
def test_a_migration_succeeds_with_a_backup_that_restores_the_rows_from_before(world: World) -> None:
    app = world.app("linear", at="linear0")
    rows = "SELECT id, name FROM items ORDER BY id"
    before, columns = app.sql(rows), _columns(world, app.database)
    app.apply(manifest(app, "linear3"))
    resource = ended_well(world, app)
    run = resource["status"]["run"]
    assert app.revisions() == {"linear3"}
    assert (run["from"], run["to"], run["outcome"]) == ("linear0", "linear3", "Succeeded")
    assert set(app.images().values()) == {NEW_IMAGE}
    assert 0 < run["downtimeSeconds"] < 60
    assert scenes.attempts_of(resource) == {"Inspect": 1, "Backup": 1, "Migrate": 1}
    for fact in ("Inspected", "Quiesced", "BackupVerified", "Migrated", "SchemaClean", "Resumed", "Probed"):
        assert condition(resource, fact)["status"] == "True", fact
    told = [reason for reason in scenes.reasons(app) if reason in TOLD]
    assert told == list(TOLD)
    scratch = f"{app.database}_restored"
    scenes.restore(world, run["backup"]["uri"], scratch)
    assert world.sql(scratch, rows) == before
    assert _columns(world, scratch) == columns
    assert world.sql(scratch, "SELECT version_num FROM alembic_version") == [("linear0",)]
    world.sql("postgres", f'DROP DATABASE "{scratch}"')


@at_once
def test_a_statefulset_is_stopped_and_started_too(world: World) -> None:
    app = world.app("linear", at="linear0", kind="StatefulSet")
    app.apply(manifest(app, "linear2"))
    ended_well(world, app, replicas={"statefulset/app": 2})
    assert app.revisions() == {"linear2"}


@at_once
def test_workloads_that_are_not_probed_start_only_after_the_probe(world: World) -> None:
    app = world.app("perrev-fixed", at="perrev0")
    scenes.add_workload(app, "Deployment", "worker", 1)
    scenes.add_workload(app, "StatefulSet", "consumer", 2)
    scenes.add_workload(app, "Deployment", "idle", 0)
    refs = [{"kind": "StatefulSet", "name": "consumer"}, {"kind": "Deployment", "name": "worker"}]
    refs += [{"kind": "Deployment", "name": "app"}, {"kind": "Deployment", "name": "idle"}]
    app.apply(manifest(app, "perrev3", workloads=refs))
    replicas = {"deployment/app": 2, "deployment/worker": 1, "statefulset/consumer": 2, "deployment/idle": 0}
    resource = ended_well(world, app, replicas=replicas)
    assert "Deployment/idle" in condition(resource, "Resumed")["message"]
    probed = condition(resource, "Probed")["lastTransitionTime"]
    for workload in ("deployment/worker", "statefulset/consumer"):
        assert scenes.managers(app, workload)["dbmigrations-start"] >= probed, "started before the probe had ended"
    assert scenes.managers(app, "deployment/app")["dbmigrations-start"] < probed
    for workload in replicas:
        assert (
            json.loads(app.kubectl("get", workload, "-o", "json"))["spec"]["template"]["spec"]["containers"][0]["image"]
            == NEW_IMAGE
        )


@at_once
def test_scale_starts_workloads_that_have_the_new_image_already(world: World) -> None:
    app = world.app("linear", at="linear1", image=NEW_IMAGE)
    app.apply(manifest(app, "linear3", resume={"mode": "Scale"}))
    ended_well(world, app)
    assert app.revisions() == {"linear3"}


@at_once
def test_online_migrates_without_stopping_anything(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear3", strategy="Online"))
    resource = ended_well(world, app)
    assert app.revisions() == {"linear3"}
    assert set(app.images().values()) == {NEW_IMAGE}
    assert "downtime" not in resource["status"]["run"]
    assert resource["status"]["run"]["backup"]["verified"]
    assert condition(resource, "Quiesced")["status"] == "Unknown"
    assert "dbmigrations-stop" not in scenes.managers(app, "deployment/app"), "it was scaled"


@at_once
def test_without_a_backup_nothing_is_written_to_the_bucket(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1", backup={"mode": "Skip", "s3": None}))
    resource = ended_well(world, app)
    assert app.revisions() == {"linear1"}
    assert not scenes.objects_of(world, resource)


@at_once
def test_a_backup_is_read_back_where_asked_for(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1", backup={"verify": "ReadBack", "compression": "gzip:1"}))
    backup = ended_well(world, app)["status"]["run"]["backup"]
    assert (backup["verify"], backup["compression"], backup["verified"]) == ("ReadBack", "gzip:1", True)


@at_once
@pytest.mark.parametrize(
    ("history", "at", "heads"),
    [("linear", "linear0", {"linear3"}), ("twoheads", "twoheads0", {"twoheads1a", "twoheads1b"})],
)
def test_heads_reaches_every_head(world: World, history: str, at: str, heads: set[str]) -> None:
    app = world.app(history, at=at)
    app.apply(manifest(app, "heads"))
    resource = ended_well(world, app)
    assert app.revisions() == heads
    assert set(resource["status"]["lastSuccess"]["revisions"]) == heads


@at_once
def test_the_connection_may_stand_in_single_variables(world: World) -> None:
    app = world.app("linear", at="linear0")
    names = {"host": "DB_HOST", "port": "DB_PORT", "user": "DB_USER", "password": "DB_PASSWORD", "database": "DB_NAME"}
    _connect_by(app, _parts(app), names)
    connection = {"connectionEnv": {"url": None, **names}}
    app.apply(manifest(app, "linear2", migration=connection))
    ended_well(world, app)
    assert app.revisions() == {"linear2"}


@at_once
@pytest.mark.parametrize("driver", ["postgresql+asyncpg", "postgresql+psycopg2", "postgresql"])
def test_a_url_of_any_driver_is_understood(world: World, driver: str) -> None:
    app = world.app("linear", at="linear0")
    scenes.rewrite_url(app, lambda url: f"{driver}://{url.partition('://')[2]}")
    app.apply(manifest(app, "linear3"))
    ended_well(world, app)
    assert app.revisions() == {"linear3"}


@at_once
def test_a_database_at_its_target_is_ready_at_once_and_nothing_is_touched(world: World) -> None:
    app = world.app("linear", at="linear3")
    generation = app.workload()["metadata"]["generation"]
    app.apply(manifest(app, "linear3"))
    resource = ended_well(world, app, seconds=60)
    assert condition(resource, "Ready")["reason"] == "AlreadyAtTarget"
    assert app.workload()["metadata"]["generation"] == generation
    assert not scenes.objects_of(world, resource)
    assert not scenes.jobs_of(app, "Migrate")


@at_once
def test_edits_and_new_tokens_start_a_run_each_and_nothing_else_does(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1"))
    first = ended_well(world, app)
    app.apply(manifest(app, "linear1"))
    app.edit("m", {"metadata": {"annotations": {"of": "nobody's interest"}}})
    app.apply(manifest(app, "linear2"))
    second = ended_well(world, app)
    assert (first["status"]["run"]["number"], second["status"]["run"]["number"]) == (1, 2)
    assert app.revisions() == {"linear2"}
    app.edit("m", {"spec": {"retryToken": "once more"}})
    third = ended_well(world, app)
    assert third["status"]["run"]["number"] == 3
    assert condition(third, "Ready")["reason"] == "AlreadyAtTarget"
    assert [entry["outcome"] for entry in third["status"]["history"]] == ["Succeeded"] * 3


@at_once
def test_each_run_is_probed_for_itself_and_a_corrected_probe_makes_it_ready(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1"))
    ended_well(world, app)
    app.apply(manifest(app, "linear2", probe={**WRONG, "timeout": "3s"}))
    resource = app.wait_ended(timeout=420)
    assert condition(resource, "Stalled")["reason"] == "ProbeFailed", (
        "the first run's answers were taken for the second's"
    )
    assert condition(resource, "Probed")["status"] == "False"
    invariants.check(world, app)
    app.apply(manifest(app, "linear2", probe=RIGHT))
    resource = ended_well(world, app)
    assert condition(resource, "Probed")["status"] == "True"


@at_once
def test_an_edit_during_the_inspection_starts_over(world: World) -> None:
    app = world.app("linear", at="linear0")
    with scenes.session(world, app, "somebody", "LOCK TABLE items IN ACCESS EXCLUSIVE MODE"):
        app.apply(manifest(app, "linear1"))
        until("it is inspected", lambda: scenes.pods_of(app, "Inspect") or None, 60)
        app.apply(manifest(app, "linear2"))
        until("the run starts over", lambda: app.get()["status"]["run"]["number"] == 2, 60)
    ended_well(world, app)
    assert app.revisions() == {"linear2"}
    assert len(scenes.jobs_of(app, "Migrate")) == 1


@at_once
def test_an_edit_during_the_migration_waits_for_its_end_and_then_runs(world: World) -> None:
    app = world.app("slow", at="slow0")
    slow = {"env": [{"name": "SLOW_SECONDS", "value": "8"}]}
    app.apply(manifest(app, "slow1", migration=slow))
    app.wait_phase("m", "Migrating")
    app.apply(manifest(app, "slow1", migration={**slow, "timeout": "10m"}))
    resource = ended_well(world, app)
    assert [(entry["run"][:2], entry["reason"]) for entry in resource["status"]["history"]] == [
        ("2-", "AlreadyAtTarget"),
        ("1-", "Migrated"),
    ]
    assert app.revisions() == {"slow1"}


@at_once
def test_the_columns_say_where_a_migration_is(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1"))
    ended_well(world, app)
    header, row = app.kubectl("get", "dbmigrations").splitlines()
    assert header.split() == ["NAME", "PHASE", "READY", "FROM", "TO", "DOWNTIME", "AGE"]
    assert row.split()[:5] == ["m", "Ready", "True", "linear0", "linear1"]
    assert app.kubectl("get", "dbm") == app.kubectl("get", "databasemigrations")
    wide = app.kubectl("get", "dbm", "-o", "wide")
    assert {"BACKUP", "REASON", "RUN"} <= set(wide.splitlines()[0].split())
    assert max(map(len, header.splitlines() + row.splitlines())) <= 120


def test_the_operator_is_small_and_counts_what_it_did(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(manifest(app, "linear1"))
    ended_well(world, app)
    path = f"/api/v1/namespaces/{scenes.OPERATOR}/pods/{world.operator_pod()}:8080/proxy/metrics"
    lines = world.kubectl("get", "--raw", path).splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values['dbmigrations_runs_total{outcome="Succeeded",reason="Migrated"}']) >= 1
    assert float(values[f'dbmigrations_stalled{{name="m",namespace="{app.namespace}"}}']) == 0
    status = world.kubectl("exec", "-n", scenes.OPERATOR, world.operator_pod(), "--", "cat", "/proc/1/status")
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    assert resident < 120 * 1024, f"{resident} KiB"


def _columns(world: World, database: str) -> Any:
    columns = "table_name, column_name, data_type, is_nullable"
    query = f"SELECT {columns} FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
    return world.sql(database, query)


def _parts(app: App) -> dict[str, str]:
    url = urlsplit(app.url)
    found = {"host": url.hostname, "port": str(url.port or 5432), "user": url.username, "database": app.database}
    return {**{key: unquote(str(value)) for key, value in found.items()}, "password": app.password}


def _connect_by(app: App, parts: dict[str, str], names: dict[str, str]) -> None:
    """Give the application its connection in single variables, from a Secret, and take DATABASE_URL away."""
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "parts"}, "stringData": parts}
    app.kubectl("apply", "-f", "-", input=json.dumps(body))
    env = [{"name": n, "valueFrom": {"secretKeyRef": {"name": "parts", "key": p}}} for p, n in names.items()]
    container = {"name": "app", "env": [*env, {"$patch": "delete", "name": "DATABASE_URL"}]}
    scenes.roll(app, {"containers": [container]})
