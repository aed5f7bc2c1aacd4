"""Deleting the resource in the middle of a run: bounded; the application comes back where the database allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulation import invariants
from tests.simulation.cluster import CrashError
from tests.simulation.programs import Migration, Scenario, half, upgrade
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.cluster import Call

BEFORE = ["Inspect", "Check", "Quiesce", "Backup"]
AFTER = ["Resume", "Probe"]
LONG = 300.0
"""Seconds of a migration that outlasts the patience of a deletion."""


def in_step(world: World, step: str) -> Callable[[], bool]:
    return lambda: "run" in world.status and world.status["run"].get("step", "Inspect") == step


def command_runs(world: World) -> bool:
    return any(pod.main_running for pod in world.kubelet.running.values())


def delete_when(world: World, when: Callable[[], bool], *, foreground: bool = False) -> float:
    """Delete when something is so; return how long the resource then took to go."""
    world.run(until=when)
    assert when(), "that moment never came"
    world.delete(foreground=foreground)
    began = world.clock.seconds
    world.run(until=lambda: world.resource is None)
    took = world.clock.seconds - began
    world.run()
    assert world.resource is None, world.explain()
    invariants.check(world)
    return took


@pytest.mark.parametrize("foreground", [False, True])
@pytest.mark.parametrize("step", BEFORE)
def test_before_the_migration_the_application_comes_back_as_it_was(step: str, foreground: bool) -> None:
    world = World()
    took = delete_when(world, in_step(world, step), foreground=foreground)
    assert took < 60
    assert world.replicas() == {"shop-api": 3}
    assert world.images() == world.old
    assert world.commands == []


@pytest.mark.parametrize("foreground", [False, True])
def test_a_migration_that_succeeds_in_time_is_finished(foreground: bool) -> None:
    world = World()
    delete_when(world, lambda: command_runs(world), foreground=foreground)
    assert world.replicas() == {"shop-api": 3}
    assert world.images() == world.new
    assert world.database.revisions == ("0005",)


@pytest.mark.parametrize("commits", [[(0.5, half)], [(0.5, upgrade)], []])
def test_a_migration_that_takes_too_long_is_ended_and_the_application_stays_stopped(commits: list) -> None:
    world = World(Scenario(migrations=[Migration(commits, seconds=LONG)]))
    took = delete_when(world, lambda: command_runs(world))
    assert took < 60 + 100
    assert world.replicas() == {"shop-api": 0}
    assert "takes over" in why_stopped(world)


def test_a_migration_that_fails_unchanged_brings_the_application_back() -> None:
    world = World(Scenario(migrations=[Migration(exit_code=1)]))
    delete_when(world, lambda: command_runs(world))
    assert world.replicas() == {"shop-api": 3}
    assert world.images() == world.old


def test_a_migration_that_changed_something_and_failed_leaves_the_application_stopped_with_the_reason() -> None:
    world = World(Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]))
    delete_when(world, lambda: command_runs(world))
    assert world.replicas() == {"shop-api": 0}
    assert "s3://backups/" in why_stopped(world)


@pytest.mark.parametrize("step", AFTER)
def test_after_the_migration_the_application_comes_back_with_the_new_version(step: str) -> None:
    world = World()
    delete_when(world, in_step(world, step))
    assert world.replicas() == {"shop-api": 3}
    assert world.images() == world.new


def test_after_the_end_nothing_holds_the_resource() -> None:
    world = World()
    took = delete_when(world, lambda: world.over)
    assert took < 5


def test_a_deletion_that_nobody_saw_for_long_is_still_careful() -> None:
    """The operator was down while the migration ran and the resource was deleted."""
    world = World(Scenario(migrations=[Migration([(0.5, half)], seconds=LONG)]))
    world.run(until=lambda: "Migrate" in world.status.get("run", {}).get("attempts", {}))
    (operator,) = world.operators
    operator.crashes, operator.reconciler, operator.due, operator.deaf = 1, None, None, True
    world.run(until=lambda: command_runs(world))
    world.delete()
    world.after(120.0, lambda: operator.wish(world.clock.seconds))
    world.after(120.0, lambda: setattr(operator, "deaf", False))
    world.run()
    assert world.resource is None
    assert world.replicas() == {"shop-api": 0}
    invariants.check(world)


MOMENTS = {
    "before the migration": (Scenario, lambda world: in_step(world, "Backup")),
    "while it succeeds": (Scenario, lambda world: lambda: command_runs(world)),
    "while it fails": (
        lambda: Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]),
        lambda world: lambda: command_runs(world),
    ),
    "while it takes too long": (
        lambda: Scenario(migrations=[Migration([(0.5, half)], seconds=LONG)]),
        lambda world: lambda: command_runs(world),
    ),
    "after the migration": (Scenario, lambda world: in_step(world, "Resume")),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_an_operator_that_dies_after_any_write_of_a_deletion_ends_it_all_the_same(moment: str) -> None:
    make, when = MOMENTS[moment]
    calm = World(make())
    delete_when(calm, when(calm))
    for at in range(1, 30):
        world = World(make())
        (operator,) = world.operators
        count = [0]

        def after(call: Call, world: World = world, count: list[int] = count, at: int = at) -> None:
            deleting = world.resource is None or "deletionTimestamp" in world.resource["metadata"]
            if call.number and call.kind != "Event" and deleting:
                count[0] += 1
                if count[0] == at:
                    raise CrashError

        operator.cluster.after = after
        delete_when(world, when(world))
        assert (world.replicas(), world.images()) == (calm.replicas(), calm.images())
        if count[0] < at:
            break
    else:
        raise AssertionError("the deletion takes more writes than expected")


def why_stopped(world: World) -> str:
    app = world.server.find("Deployment", "shop-api")
    assert app is not None
    return str(app["metadata"]["annotations"]["dbmigrations.dev/stopped-because"])


DELETED: dict[str, Callable[[], Scenario]] = {
    "success": Scenario,
    "failed migration, changed": lambda: Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]),
}


@pytest.mark.parametrize("foreground", [False, True])
@pytest.mark.parametrize("name", DELETED)
def test_a_deletion_after_any_write_leaves_nothing_undone(name: str, foreground: bool) -> None:
    for at in range(1, 100):
        world = World(DELETED[name]())
        (operator,) = world.operators
        count = [0]

        def after(call: Call, world: World = world, count: list[int] = count, at: int = at) -> None:
            if call.number and call.kind != "Event":
                count[0] += 1
                if count[0] == at:
                    world.delete(foreground=foreground)

        operator.cluster.after = after
        world.run()
        if count[0] < at:
            break
        assert world.resource is None
        changed = world.database.state != world.initial
        finished = world.database.revisions == ("0005",)
        assert world.replicas() == {"shop-api": 0 if changed and not finished else 3}
        invariants.check(world)
