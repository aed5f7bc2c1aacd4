"""After every failure a corrected manifest starts a run that succeeds: original replicas, new image."""

from __future__ import annotations

import pytest
from tests.simulation import invariants
from tests.simulation.database import failed
from tests.simulation.programs import Migration, Scenario
from tests.simulation.test_outcomes import WAYS
from tests.simulation.world import World
from tests.unit.making import NEW, workload

TROUBLED = [name for name in WAYS if WAYS[name]().reason not in {"Migrated", "AlreadyAtTarget"}]


@pytest.mark.parametrize("name", TROUBLED)
def test_a_corrected_manifest_succeeds_after(name: str) -> None:
    way = WAYS[name]()
    world = World(way.scenario, way.changes, new_is_healthy=way.new_is_healthy)
    world.run()
    first = world.status["run"].get("backup")
    world.scenario.__init__()  # type: ignore[misc]
    world.new_is_healthy = True
    world.run(seconds=30.0, until=lambda: True)
    world.apply({"retryToken": "corrected"})
    world.run()
    assert world.condition("Ready")["status"] == "True", world.explain()
    assert world.database.revisions == ("0005",)
    assert world.replicas() == {"shop-api": 3}
    assert world.images() == world.new
    run = world.status["run"]
    assert run["number"] == 2
    if way.application == "stopped":
        assert run.get("takenOver")
        assert run["firstBackup"] == first
    invariants.check(world)


@pytest.mark.parametrize("name", ["migration fails after a hidden change", "pod lost after a hidden change"])
def test_a_run_that_took_over_and_fails_again_never_starts_the_old_version(name: str) -> None:
    way = WAYS[name]()
    world = World(way.scenario, way.changes)
    world.run()
    first = world.status["run"]["backup"]
    for number, scenario in enumerate(
        (
            Scenario(inspect=[failed("AuthenticationFailed")]),
            Scenario(backup=[failed("DumpFailed")] * 3),
            Scenario(gate=[failed("ForeignSessions")]),
            Scenario(migrations=[Migration(exit_code=1)]),
        )
    ):
        world.scenario = scenario
        world.apply({"retryToken": f"again {number}"})
        world.run()
        assert world.condition("Stalled")["status"] == "True"
        assert world.replicas() == {"shop-api": 0}
        invariants.check(world)
    world.scenario = Scenario()
    world.apply({"retryToken": "at last"})
    world.run()
    assert world.condition("Ready")["status"] == "True"
    assert world.status["run"]["firstBackup"] == first
    assert (world.replicas(), world.images()) == ({"shop-api": 3}, world.new)
    invariants.check(world)


APPS = {
    "one workload": ((workload(),), {}),
    "two workloads": (
        (workload(), workload("shop-worker", replicas=2)),
        {"workloads": [{"kind": "Deployment", "name": "shop-api"}, {"kind": "Deployment", "name": "shop-worker"}]},
    ),
}


@pytest.mark.parametrize("apps", APPS)
@pytest.mark.parametrize("step", ["Quiesce", "Backup", "Migrate", "Resume", "Probe"])
def test_a_resource_that_is_forced_off_and_made_again_brings_the_application_back(step: str, apps: str) -> None:
    """Somebody removes our finalizer, as is done with stuck resources; a hook makes the resource again."""
    workloads, changes = APPS[apps]
    world = World(apps=workloads, changes=changes)
    world.run(until=lambda: world.status.get("run", {}).get("step") == step)
    world.run(until=lambda: world.replicas()["shop-api"] == 0 or step in {"Resume", "Probe"})
    world.server.change("DatabaseMigration", "to-1-5", lambda found: found["metadata"].update(finalizers=[]))
    world.delete()
    assert world.resource is None
    world.run(seconds=600.0, until=lambda: not any(pod.main_running for pod in world.kubelet.running.values()))
    world.apply(changes)
    world.run()
    assert world.condition("Ready")["status"] == "True", world.explain()
    assert world.replicas() == world.originals
    assert world.images() == {NEW}
    # What the forced resource had under way went on without anybody: that is what force means.
    invariants.application_is_back_or_it_is_said_why(world)
    assert not [text for text in world.violations if "was started with" in text]


def test_the_history_holds_ten_runs_and_the_newest_first() -> None:
    world = World(Scenario(inspect=[failed("AuthenticationFailed")] * 99))
    for number in range(12):
        world.apply({"retryToken": str(number)})
        world.run()
    history = world.status["history"]
    assert [entry["run"].split("-")[0] for entry in history] == [str(number) for number in range(12, 2, -1)]
    invariants.check(world)
