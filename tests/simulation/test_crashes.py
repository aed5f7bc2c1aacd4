"""The operator dies after each of its writes, or never hears of one's success: the run goes on as if nothing was.

Events are no crash points: nothing ever reads them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.simulation import invariants
from tests.simulation.cluster import CrashError, no_answer
from tests.simulation.database import Database, failed, rehearsed
from tests.simulation.programs import Migration, Scenario, half, upgrade
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.cluster import Call, FakeCluster

STUCK = "image cannot be pulled"
SCENARIOS: dict[str, Callable[[], Scenario]] = {
    "success": Scenario,
    "rehearsed": Scenario,
    "failed rehearsal": lambda: Scenario(rehearse=[rehearsed(Database(), code=1)] * 9),
    "failed backup": lambda: Scenario(backup=[failed("DumpFailed")] * 9),
    "failed migration, unchanged": lambda: Scenario(migrations=[Migration(exit_code=1)]),
    "failed migration, changed": lambda: Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]),
    STUCK: lambda: Scenario(migrations=[Migration(image_pull=3000.0)]),
    "pod lost": lambda: Scenario(migrations=[Migration(lost=True)]),
}


def make(name: str) -> World:
    """A world with this scenario; two of them have a rehearsal, the others begin with the outage."""
    changes = {"rehearsal": {"mode": "Required"}} if "rehears" in name else {}
    return World(SCENARIOS[name](), changes)


def crash(_cluster: FakeCluster) -> None:
    """The process dies after the write."""
    raise CrashError


def lose(_cluster: FakeCluster) -> None:
    """The write was done, but the answer is lost."""
    raise no_answer()


def ended(world: World) -> tuple[object, ...]:
    """What must be the same whether something went wrong with the operator or not."""
    run = world.status["run"]
    return (
        run["outcome"],
        world.condition("Ready")["reason"],
        {step: attempt["number"] for step, attempt in run["attempts"].items()},
        world.replicas(),
        world.images(),
        world.database.state,
        world.commands,
        len(world.bucket.dumps),
    )


def disturb(world: World, how: Callable[[FakeCluster], None], which: Callable[[int], bool]) -> list[int]:
    """Disturb the writes that `which` says (counted from 1, without events); return the counter."""
    (operator,) = world.operators
    count = [0]

    def after(call: Call) -> None:
        if call.number and call.kind != "Event":
            count[0] += 1
            if which(count[0]):
                how(operator.cluster)

    operator.cluster.after = after
    return count


@pytest.mark.parametrize(("name", "how"), [*((name, crash) for name in SCENARIOS if name != STUCK), ("success", lose)])
def test_a_run_ends_the_same_after_trouble_with_any_of_its_writes(name: str, how: Callable[..., None]) -> None:
    calm = make(name)
    writes = disturb(calm, how, lambda _number: False)
    calm.run()
    invariants.check(calm)
    assert writes[0] > 10
    for at in range(1, writes[0] + 1):
        world = make(name)
        disturb(world, how, lambda number, at=at: number == at)
        world.run()
        assert ended(world) == ended(calm), f"trouble with write {at}: {world.explain()}"
        invariants.check(world)


@pytest.mark.parametrize("how", [crash, lose])
@pytest.mark.parametrize("name", [name for name in SCENARIOS if name != "pod lost"])
def test_a_run_ends_the_same_when_every_write_has_trouble(name: str, how: Callable[..., None]) -> None:
    calm = make(name)
    calm.run()
    world = make(name)
    disturb(world, how, lambda _number: True)
    world.run()
    assert ended(world) == ended(calm), world.explain()
    invariants.check(world)


LATE: dict[str, Callable[[], Scenario]] = {
    "success": Scenario,
    "image can be pulled after all": lambda: Scenario(migrations=[Migration([(0.5, upgrade)], image_pull=60.0)]),
    "image can be pulled after all, and changes half": lambda: Scenario(
        migrations=[Migration([(0.5, half)], image_pull=60.0, exit_code=1)]
    ),
}


@pytest.mark.parametrize("name", LATE)
def test_an_operator_that_was_away_for_long_finds_its_way_from_what_is_there(name: str) -> None:
    """Jobs go on without it: what it meant to do before may be wrong by now."""
    for at in range(1, 100):
        world = World(LATE[name]())
        world.operators[0].restart = 120.0
        count = disturb(world, crash, lambda number, at=at: number == at)
        world.run()
        assert world.over
        assert len(world.commands) <= 1
        invariants.check(world)
        if count[0] < at:
            break
