"""A second operator is harmless; so is an API server that refuses, conflicts and does not answer."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.simulation import interleaving, invariants
from tests.simulation.cluster import CrashError, no_answer
from tests.simulation.database import failed
from tests.simulation.programs import Migration, Scenario, half
from tests.simulation.world import World

from dbmigrations.cluster.port import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.cluster import Call

WAYS: dict[str, tuple[Callable[[], Scenario], str, int, str]] = {
    "success": (Scenario, "Migrated", 3, "new"),
    "failed backup": (lambda: Scenario(backup=[failed("DumpFailed")] * 9), "DumpFailed", 3, "old"),
    "failed migration, unchanged": (
        lambda: Scenario(migrations=[Migration(exit_code=1)] * 9), "MigrationFailed", 3, "old"),
    "failed migration, changed": (
        lambda: Scenario(migrations=[Migration([(0.5, half)], exit_code=1)] * 9), "MigrationFailedHalfway", 0, "old"),
}  # fmt: skip

relaxed = settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", WAYS)
@relaxed
@given(seed=st.integers(0, 2**32))
def test_two_operators_end_a_run_as_one_does(name: str, seed: int) -> None:
    scenario, reason, replicas, image = WAYS[name]
    world = World(scenario())
    world.operator()
    interleaving.run(world, random.Random(seed))
    assert world.condition("Ready")["reason"] == reason, world.explain()
    assert world.replicas() == {"shop-api": replicas}
    assert world.images() == (world.new if image == "new" else world.old)
    assert world.commands == ([] if name == "failed backup" else [f"{world.status['run']['id']}/1"])
    invariants.check(world)


TROUBLE: dict[str, Callable[[], Exception]] = {
    "conflict": lambda: ApiError(409, "Conflict", "the object has been modified"),
    "throttled": lambda: ApiError(429, "TooManyRequests", "slow down"),
    "broken": lambda: ApiError(500, "InternalError", "etcdserver: leader changed"),
    "silent": no_answer,
    "crash": CrashError,
}


@relaxed
@given(
    name=st.sampled_from(sorted(WAYS)),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.05, 0.2, 0.5]),
    kinds=st.lists(st.sampled_from(sorted(TROUBLE)), min_size=1, max_size=5, unique=True),
)
def test_an_api_server_in_trouble_changes_no_outcome(name: str, seed: int, share: float, kinds: list[str]) -> None:
    scenario, reason, replicas, image = WAYS[name]
    world, dice = World(scenario()), random.Random(seed)
    (operator,) = world.operators

    def disturb(call: Call) -> None:
        """Refuse before, or lose the answer after: for a minute, as an API server that is being restarted."""
        if world.clock.seconds < 100 and dice.random() < share:
            kind = dice.choice(kinds)
            # A conflict means that nothing was written.
            if kind != "conflict" or call.verb in {"patch", "status"}:
                raise TROUBLE[kind]()

    def disturb_after(call: Call) -> None:
        if world.clock.seconds < 100 and dice.random() < share and "conflict" not in kinds:
            raise TROUBLE[dice.choice(kinds)]()

    operator.cluster.before, operator.cluster.after = disturb, disturb_after
    world.run(passes=4000)
    assert world.over
    said = world.condition("Ready")["reason"]
    # With the application down, refusals are not waited out: it comes back, and that is said.
    assert said in {reason, "MigrationUnclear", "MigrationLost", "TargetNotReached", "JobRefused", "StopRefused"}
    if said == reason:
        assert world.replicas() == {"shop-api": replicas}
        assert world.images() == (world.new if image == "new" else world.old)
    assert len(world.commands) <= (0 if name == "failed backup" else 1)
    invariants.check(world)


def test_an_api_server_that_is_away_for_ten_minutes_delays_and_nothing_else() -> None:
    world = World()
    world.run(until=lambda: bool(world.commands))
    back = world.clock.seconds + 600

    def away(_call: Call) -> None:
        if world.clock.seconds < back:
            raise no_answer()

    world.operators[0].cluster.before = away
    world.run()
    assert world.condition("Ready")["reason"] == "Migrated"
    assert len(world.commands) == 1
    invariants.check(world)


def test_without_any_event_of_a_watch_a_run_still_ends() -> None:
    """A watch can die silently: every wait has its own moment to look again."""
    world = World()
    (operator,) = world.operators
    operator.deaf = True
    world.run()
    assert world.condition("Ready")["reason"] == "Migrated"
    assert world.clock.seconds < 200
    invariants.check(world)


FORBIDDEN = ApiError(403, "Forbidden", 'admission webhook "policy" denied the request')
EFFECTS = {
    "stop": ("patch", "Deployment", lambda body: body["spec"].get("replicas") == 0),
    "start": ("patch", "Deployment", lambda body: body.get("spec", {}).get("replicas", 0) != 0),
    "inspect": ("create", "Job", lambda body: "-inspect-" in body["metadata"]["name"]),
    "backup": ("create", "Job", lambda body: "-backup-" in body["metadata"]["name"]),
    "migrate": ("create", "Job", lambda body: "-migrate-" in body["metadata"]["name"]),
    "finalizer": ("patch", "DatabaseMigration", lambda body: body["metadata"].get("finalizers")),
    "dry run": ("try", "Pod", lambda body: True),
}


@pytest.mark.parametrize("effect", EFFECTS)
def test_what_the_api_server_forbids_for_good_ends_the_run_and_is_said(effect: str) -> None:
    verb, kind, matches = EFFECTS[effect]
    world = World()
    refused = [0]

    def refuse(call: Call) -> None:
        if (call.verb, call.kind) == (verb, kind) and matches(call.body):
            refused[0] += 1
            raise FORBIDDEN

    world.operators[0].cluster.refuse = refuse
    world.run(passes=3000)
    assert world.over, world.explain()
    assert world.condition("Ready")["status"] == "False"
    assert "denied the request" in world.condition("Ready")["message"]
    assert refused[0] < 200
    assert world.violations == []
    invariants.application_is_back_or_it_is_said_why(world)
