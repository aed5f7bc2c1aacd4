"""Several operators at the same time, whose calls of the API take turns and may hang for long."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.world import StuckError

if TYPE_CHECKING:
    from random import Random

    from tests.simulation.operators import Operator
    from tests.simulation.world import World

HANGS = ((0.0,), (0.0, 0.0, 0.0, 0.05, 0.5, 3.0, 20.0))
"""Seconds for which calls may hang: of the operators in turn. One is quick, so that it gets far while another hangs."""


def run(world: World, random: Random, *, steps: int = 40_000) -> None:
    """Let the operators' calls, and what happens meanwhile, take turns until nothing is left to happen."""
    asleep: dict[int, float] = {}
    for _ in range(steps):
        now = world.clock.seconds
        ready = [op for op in world.operators if _ready(op, now) and asleep.get(id(op), 0.0) <= now]
        if ready:
            operator = random.choice(ready)
            if operator.coroutine is None:
                operator.begin()
            operator.step()
            hangs = HANGS[world.operators.index(operator) % len(HANGS)]
            asleep[id(operator)] = world.clock.seconds + random.choice(hangs)
            world.catch_up()
            continue
        moments = [asleep.get(id(op), 0.0) for op in world.operators if op.coroutine is not None]
        moments += [max(op.due, asleep.get(id(op), 0.0)) for op in world.operators if op.due is not None]
        following = world.next_event()
        if not moments and following is None:
            return
        world.pass_time(min([*moments, *([following] if following is not None else [])]))
    raise StuckError(f"not at an end after {steps} steps: {world.explain()}")


def _ready(operator: Operator, now: float) -> bool:
    return operator.coroutine is not None or (operator.due is not None and operator.due <= now)
