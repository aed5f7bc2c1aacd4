"""People and controllers that do things to a run: replicas, templates, images, manifests, workloads."""

from __future__ import annotations

import pytest
from tests.simulation import invariants
from tests.simulation.moments import STEPS, in_step, scale, set_image, step_of, until, working
from tests.simulation.programs import Migration, Scenario, upgrade
from tests.simulation.world import World
from tests.unit.making import NEW, OLD, Json, workload


@pytest.mark.parametrize("step", ["Quiesce", "Backup", "Migrate"])
def test_somebody_who_scales_up_once_changes_nothing_for_good(step: str) -> None:
    world = World(Scenario(migrations=[Migration([(2.5, upgrade)], seconds=3.0)]))
    until(world, in_step(world, step))
    if step == "Quiesce":
        until(world, lambda: world.replicas()["shop-api"] == 0)
    scale(world, 2)
    world.run()
    # In the middle of the migration the application is there for a moment: that is somebody else's doing.
    world.violations[:] = [text for text in world.violations if step == "Backup"]
    invariants.check(world)
    assert world.replicas() == {"shop-api": 3} or step == "Backup"
    assert world.condition("Ready")["reason"] == ("ScaledUpDuringBackup" if step == "Backup" else "Migrated")


@pytest.mark.parametrize("step", ["Quiesce", "Backup", "Migrate"])
def test_somebody_who_scales_up_again_and_again_ends_the_run_and_not_the_operator(step: str) -> None:
    world = World(Scenario(migrations=[Migration([(20.0, upgrade)], seconds=20.5)]))
    until(world, in_step(world, step))

    def insist() -> None:
        if not world.over and step_of(world) in {"Quiesce", "Backup", "Migrate"}:
            scale(world, 2)
            world.after(1.0, insist)

    world.after(0.5, insist)
    world.run()
    assert world.over
    assert world.replicas()["shop-api"] > 0
    reason = world.condition("Ready")["reason"]
    assert reason in {"ScaleDownContested", "ScaledUpDuringBackup", "Migrated"}


@pytest.mark.parametrize("step", STEPS)
def test_a_workload_that_is_deleted_ends_no_run_in_a_loop(step: str) -> None:
    world = World()
    until(world, in_step(world, step))
    world.server.delete(("Deployment", "shop", "shop-api"))
    world.run()
    assert world.over
    invariants.check(world)
    if step in {"Inspect", "Check"}:
        assert world.commands == []
        assert world.condition("Ready")["reason"] == "WorkloadNotFound"
    if world.commands:
        assert world.database.revisions == ("0005",)
        assert world.condition("Ready")["reason"] in {"WorkloadMissing", "Migrated"}


@pytest.mark.parametrize("step", STEPS)
def test_an_edit_restarts_the_run_before_the_application_is_stopped_and_waits_for_its_end_after(step: str) -> None:
    world = World()
    until(world, in_step(world, step))
    world.apply({"migration": {"timeout": "20m"}})
    generation = world.resource["metadata"]["generation"] if world.resource else 0
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["status"] == "True"
    assert world.status["run"]["number"] == 2
    assert world.status["observedGeneration"] == generation
    assert len(world.commands) == 1
    assert world.images() == world.new
    assert len(world.status["history"]) == (1 if step in {"Inspect", "Check"} else 2)


@pytest.mark.parametrize("step", STEPS)
def test_an_edit_that_is_taken_back_starts_nothing(step: str) -> None:
    world = World()
    until(world, in_step(world, step))
    (operator,) = world.operators
    operator.deaf = True
    world.apply({"migration": {"timeout": "20m"}})
    world.apply({})
    operator.deaf = False
    world.run()
    invariants.check(world)
    assert world.status["run"]["number"] == 1
    assert world.resource is not None
    assert world.status["observedGeneration"] == world.resource["metadata"]["generation"]


@pytest.mark.parametrize("step", STEPS)
def test_an_edited_template_is_inspected_again_before_the_stop_and_never_mixed_in_after(step: str) -> None:
    world = World()
    until(world, working(world, step) if step == "Migrate" else in_step(world, step))

    def edit(found: Json) -> None:
        container = found["spec"]["template"]["spec"]["containers"][0]
        container["env"] = [*container["env"], {"name": "MORE", "value": "1"}]

    world.server.change("Deployment", "shop-api", edit)
    world.run()
    invariants.check(world)
    expected = {"Quiesce": "PodTemplateChanged", "Backup": "PodTemplateChanged"}
    assert world.condition("Ready")["reason"] == expected.get(step, "Migrated")
    assert world.replicas() == {"shop-api": 3}


@pytest.mark.parametrize("step", STEPS)
def test_git_that_sets_the_new_image_meanwhile_is_no_trouble(step: str) -> None:
    world = World()
    until(world, in_step(world, step))
    set_image(world, NEW)
    world.run()
    # With the application up, that is what Git does to it, not the operator.
    if step in {"Inspect", "Check", "Quiesce"}:
        world.violations.clear()
    invariants.check(world)
    assert world.condition("Ready")["reason"] == "Migrated"
    assert world.images() == world.new


@pytest.mark.parametrize("step", ["Inspect", "Check"])
def test_a_fix_of_the_old_version_that_came_before_the_stop_is_replaced_too(step: str) -> None:
    world = World()
    until(world, in_step(world, step))
    set_image(world, "shop:1.4.1")
    world.run(until=in_step(world, "Quiesce"))
    world.violations.clear()
    world.run()
    invariants.check(world)
    assert world.images() == world.new


def test_workloads_at_zero_stay_at_zero_and_get_the_new_image() -> None:
    world = World(apps=(workload(replicas=0),))
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["reason"] == "Migrated"
    assert world.condition("Probed")["status"] == "Unknown"
    assert world.replicas() == {"shop-api": 0}
    assert world.images() == world.new
    assert "downtime" not in world.status["run"]


def test_several_workloads_are_stopped_and_come_back_in_two_waves() -> None:
    apps = (
        workload(replicas=3),
        workload("shop-worker", replicas=2),
        workload("shop-cron", "StatefulSet", replicas=0),
    )
    listed = [{"kind": app["kind"], "name": app["metadata"]["name"]} for app in apps]
    world = World(apps=apps, changes={"workloads": listed})
    until(world, in_step(world, "Probe"))
    assert world.replicas() == {"shop-api": 3, "shop-worker": 0, "shop-cron": 0}
    world.run()
    invariants.check(world)
    assert world.replicas() == {"shop-api": 3, "shop-worker": 2, "shop-cron": 0}
    assert world.images() == world.new


def test_the_other_workloads_stay_stopped_where_the_probed_one_is_not_well_and_come_back_with_the_next_run() -> None:
    apps = (workload(replicas=3), workload("shop-worker", replicas=2))
    changes = {"workloads": [{"kind": "Deployment", "name": app["metadata"]["name"]} for app in apps]}
    world = World(apps=apps, changes=changes, new_is_healthy=False)
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["reason"] == "ProbeFailed"
    assert world.replicas() == {"shop-api": 3, "shop-worker": 0}
    assert "Deployment/shop-worker (before: 2)" in world.condition("Ready")["message"]
    world.new_is_healthy = True
    world.apply({**changes, "retryToken": "again"})
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["status"] == "True"
    assert world.replicas() == {"shop-api": 3, "shop-worker": 2}
    assert world.images() == world.new


@pytest.mark.parametrize("replicas", [0, 1, 5])
@pytest.mark.parametrize("first", ["succeeds", "fails"])
def test_what_people_do_with_replicas_after_the_end_is_theirs(first: str, replicas: int) -> None:
    world = World(Scenario(migrations=[] if first == "succeeds" else [Migration(exit_code=1)]))
    world.run()
    scale(world, replicas)
    world.run()
    assert world.replicas() == {"shop-api": replicas}


def test_the_application_of_another_version_that_came_meanwhile_is_left_alone() -> None:
    """Somebody else's third image is neither ours to replace nor a reason to fail."""
    world = World()
    until(world, in_step(world, "Backup"))
    set_image(world, "shop:1.5.1")
    world.run()
    assert world.over
    assert OLD not in world.images()
