"""The rehearsal: what the new image would do is known before anybody is disturbed, and by whom."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.e2e import invariants, scenes
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.manifests import OLD_IMAGE, SERVERS
from tests.e2e.scenes import ended_well, manifest

if TYPE_CHECKING:
    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]
REQUIRED: Json = {"mode": "Required"}


def rehearsed(app: App, target: str, **spec: Any) -> Json:
    """The manifest with a rehearsal, as it is by default."""
    return manifest(app, target, **{"rehearsal": REQUIRED, **spec})


def plan_of(app: App, resource: Json) -> dict[str, str]:
    """Return the files of the plan."""
    (name,) = resource["status"]["run"]["plan"]["configMaps"]
    found: dict[str, str] = json.loads(app.kubectl("get", "configmap", name, "-o", "json"))["data"]
    return found


def refused(app: App, resource: Json, reason: str, *words: str) -> str:
    """Assert that the rehearsal stopped the run, with the application as it was and never touched."""
    stalled = condition(resource, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason), stalled
    for word in words:
        assert word in stalled["message"], stalled["message"]
    assert "The application was not touched" in stalled["message"]
    assert set(app.images().values()) == {OLD_IMAGE}
    assert not resource["status"]["run"].get("downSince")
    return str(stalled["message"])


@at_once
def test_what_was_rehearsed_is_what_happens(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(rehearsed(app, "heads"))
    resource = ended_well(world, app)
    run = resource["status"]["run"]
    plan = run["plan"]
    assert app.revisions() == set(plan["revisions"]) == {"linear3"}
    assert (run["from"], run["to"]) == ("linear0", "linear3")
    assert scenes.attempts_of(resource) == {"Inspect": 1, "Rehearse": 1, "Compare": 1, "Backup": 1, "Migrate": 1}
    files = plan_of(app, resource)
    assert "linear1" in files["statements.sql"]
    assert "linear3" in files["statements.sql"]
    assert "+" in files["schema.diff"]
    message = condition(resource, "Rehearsed")["message"]
    assert "linear0 -> linear3" in message
    assert plan["configMaps"][0] in message


@at_once
def test_heads_that_are_there_need_neither_downtime_nor_backup(world: World) -> None:
    app = world.app("linear", at="linear3")
    app.apply(rehearsed(app, "heads"))
    resource = app.wait_ended()
    assert condition(resource, "Ready")["reason"] == "AlreadyAtTarget"
    assert set(scenes.attempts_of(resource)) == {"Inspect", "Rehearse", "Compare"}
    assert set(app.images().values()) == {OLD_IMAGE}


@at_once
def test_asyncpg_is_rehearsed_with_its_own_driver(world: World) -> None:
    app = world.app("linear", at="linear0")
    scenes.rewrite_url(app, lambda url: f"postgresql+asyncpg://{url.partition('://')[2]}")
    app.apply(rehearsed(app, "linear2"))
    resource = ended_well(world, app)
    assert app.revisions() == {"linear2"}
    assert resource["status"]["run"]["plan"]["revisions"] == ["linear2"]


@at_once
def test_two_heads_are_a_set(world: World) -> None:
    app = world.app("twoheads", at="twoheads0")
    app.apply(rehearsed(app, "heads"))
    resource = ended_well(world, app)
    assert app.revisions() == set(resource["status"]["run"]["plan"]["revisions"]) == {"twoheads1a", "twoheads1b"}


@at_once
def test_a_migration_that_fails_disturbs_nobody(world: World) -> None:
    app = world.app("perrev", at="perrev0")
    # It fails on rows, so the copy needs them.
    app.apply(rehearsed(app, "heads", rehearsal={**REQUIRED, "dataOf": ["accounts"]}))
    resource = app.wait_ended()
    refused(app, resource, "RehearsalFailed", "SQLSTATE 23502", "ALTER TABLE accounts", "kubectl logs")
    assert app.revisions() == {"perrev0"}
    assert condition(resource, "Rehearsed")["status"] == "False"
    assert "failed with" in plan_of(app, resource)["statements.sql"]
    app.apply(rehearsed(app, "heads", migration={"workingDir": "/histories/perrev-fixed"}))
    ended_well(world, app)


@at_once
def test_a_command_that_migrates_something_else_is_found_out(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(rehearsed(app, "heads", migration={"workingDir": "/histories/sqlite"}))
    refused(app, app.wait_ended(), "NotThisDatabase", "never connected", "connectionEnv")
    assert app.revisions() == {"linear0"}


@at_once
def test_an_error_of_alembic_itself_disturbs_nobody(world: World) -> None:
    app = world.app("twoheads", at="twoheads0")
    app.apply(rehearsed(app, "head"))
    refused(app, app.wait_ended(), "RehearsalFailed", "without an error of the database", "kubectl logs")


@at_once
def test_an_image_that_has_an_address_of_its_own_is_found_out(world: World) -> None:
    app = world.app("linear", at="linear0")
    address = world.kubectl("get", "service", "postgres", "-n", SERVERS, "-o", "jsonpath={.spec.clusterIP}")
    reach = f"""
import asyncio, asyncpg, os
async def main():
    there = await asyncpg.connect(host={address!r}, port=5432, user={app.database!r}, password={app.password!r},
                                  database={app.database!r})
    await there.execute("CREATE TABLE left_behind (id int)")
asyncio.run(main())
os.execvp("alembic", ["alembic", "upgrade", "heads"])
"""
    app.apply(rehearsed(app, "heads", migration={"command": ["python", "-c", reach]}))
    refused(app, app.wait_ended(), "RealDatabaseTouched", "the schema of the REAL database")


@at_once
def test_libpq_is_led_to_the_copy_even_by_address(world: World) -> None:
    app = world.app("linear", at="linear0")
    address = world.kubectl("get", "service", "postgres", "-n", SERVERS, "-o", "jsonpath={.spec.clusterIP}")
    reach = f"""
import os, psycopg
with psycopg.connect(host={address!r}, user={app.database!r}, dbname={app.database!r}, password="x") as there:
    there.execute("CREATE TABLE left_behind (id int)")
os.execvp("alembic", ["alembic", "upgrade", "heads"])
"""
    app.apply(rehearsed(app, "heads", dryRun=True, migration={"command": ["python", "-c", reach]}))
    planned = app.wait_phase("m", "Planned", "Stalled")
    assert planned["status"]["phase"] == "Planned", condition(planned, "Ready")["message"]
    assert "left_behind" in plan_of(app, planned)["statements.sql"]
    assert app.sql("SELECT to_regclass('left_behind') IS NULL") == [("t",)]


@at_once
def test_variables_from_secrets_are_there_with_other_values(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.kubectl("create", "secret", "generic", "settings", "--from-literal=SECRET_KEY=very-secret-indeed")
    scenes.roll(app, {"containers": [{"name": "app", "envFrom": [{"secretRef": {"name": "settings"}}]}]})
    check = """
import os, sys
if os.environ["SECRET_KEY"] == "very-secret-indeed" and "@localhost" not in os.environ["DATABASE_URL"]:
    print("the real one")
os.execvp("alembic", ["alembic", "upgrade", "heads"])
"""
    app.apply(rehearsed(app, "heads", dryRun=True, migration={"command": ["python", "-c", check]}))
    planned = app.wait_phase("m", "Planned", "Stalled")
    assert planned["status"]["phase"] == "Planned", condition(planned, "Ready")["message"]
    assert "the real one" not in app.kubectl("logs", planned["status"]["run"]["plan"]["pod"], "-c", "migrate")


@at_once
def test_a_command_that_is_not_in_the_image_is_found_before_the_downtime(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(rehearsed(app, "heads", migration={"command": ["shopctl", "upgrade"]}))
    refused(app, app.wait_ended(), "CommandNotFound", "shopctl")


@at_once
def test_a_dry_run_makes_the_plan_and_the_real_run_follows_when_it_is_turned_off(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(rehearsed(app, "heads", dryRun=True))
    planned = app.wait_phase("m", "Planned")
    assert (condition(planned, "Suspended")["status"], condition(planned, "Ready")["reason"]) == ("True", "DryRun")
    assert app.revisions() == {"linear0"}
    assert set(scenes.attempts_of(planned)) == {"Inspect", "Rehearse", "Compare"}
    app.edit(patch={"spec": {"dryRun": False}})
    resource = ended_well(world, app)
    assert resource["status"]["run"]["plan"]["revisions"] == planned["status"]["run"]["plan"]["revisions"]


@at_once
def test_no_image_for_the_servers_version_is_said_before_anything_is_tried(world: World) -> None:
    app = world.app("linear", at="linear0")
    app.apply(rehearsed(app, "heads", rehearsal={**REQUIRED, "image": "dbmigrations/no-such-image:1"}))
    refused(app, app.wait_ended(), "ImagePullFailed", "scratch")


@at_once
def test_the_command_finds_no_credentials_in_its_surroundings(world: World) -> None:
    """F51b: it looks through its variables, other processes and the file system for the password, and finds none."""
    app = world.app("linear", at="linear0")
    half = len(app.password) // 2
    search = f"""
import os, pathlib, sys
needle = ({app.password[:half]!r} + {app.password[half:]!r}).encode()
def look(path):
    try:
        return needle in path.read_bytes()
    except OSError:
        return False
places = [p for p in pathlib.Path("/proc").glob("[0-9]*/environ") if look(p)]
for root in ["/", *(str(p) for p in pathlib.Path("/proc").glob("[0-9]*/root"))]:
    for folder in ("tmp", "dbm-run", "dbm-scratch", "var/run/secrets", "run", "etc"):
        places += [p for p in pathlib.Path(root, folder).rglob("*") if p.is_file() and look(p)]
sys.exit(f"found in {{places}}") if places else os.execvp("alembic", ["alembic", "upgrade", "heads"])
"""
    app.apply(rehearsed(app, "heads", dryRun=True, migration={"command": ["python", "-c", search]}))
    planned = app.wait_phase("m", "Planned", "Stalled")
    assert planned["status"]["phase"] == "Planned", condition(planned, "Ready")["message"]
    invariants.check(world, app)
