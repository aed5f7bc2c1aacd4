"""Jobs and Pods that somebody deletes, that will not end, or whose node is gone."""

from __future__ import annotations

import pytest
from tests.simulation import invariants
from tests.simulation.moments import JOBS, until, working
from tests.simulation.programs import Migration, Scenario, half, upgrade
from tests.simulation.world import World


@pytest.mark.parametrize("foreground", [False, True])
@pytest.mark.parametrize("step", JOBS)
def test_a_job_that_somebody_deletes_is_not_taken_for_one_that_never_was(step: str, foreground: bool) -> None:
    world = World()
    until(world, working(world, step))
    (job,) = [job for job in world.server.of_kind("Job") if job["metadata"]["labels"]["dbmigrations.dev/step"] == step]
    world.server.delete(("Job", "shop", job["metadata"]["name"]), foreground=foreground)
    world.run()
    invariants.check(world)
    if step == "Migrate":
        assert len(world.commands) == 1
        assert (world.replicas(), world.images()) == ({"shop-api": 3}, world.old)
    else:
        assert world.condition("Ready")["reason"] == "Migrated"


@pytest.mark.parametrize("commits", [[], [(20.0, half)], [(0.1, half)], [(20.0, upgrade)]])
def test_a_command_that_ignores_sigterm_is_waited_for_before_the_database_is_judged(commits: list) -> None:
    world = World(Scenario(migrations=[Migration(commits, seconds=25.0, sigterm_seconds=60.0)]))
    until(world, working(world, "Migrate"))
    (job,) = [j for j in world.server.of_kind("Job") if j["metadata"]["labels"]["dbmigrations.dev/step"] == "Migrate"]
    world.server.delete(("Job", "shop", job["metadata"]["name"]))
    world.run()
    invariants.check(world)
    assert len(world.commands) == 1


@pytest.mark.parametrize("step", JOBS)
def test_a_pod_that_is_forced_off_is_not_started_again_where_that_could_harm(step: str) -> None:
    world = World()
    until(world, working(world, step))
    # What the operator has not seen it cannot know: a look later.
    world.run(until=lambda: world.status["run"].get("started", step != "Migrate"))
    (pod,) = [pod for pod in world.kubelet.running.values() if pod.step == step]
    world.server.delete(("Pod", "shop", pod.name), now=True)
    world.run()
    invariants.check(world)
    assert len(world.commands) == 1
    reason = world.condition("Ready")["reason"]
    assert reason == ("MigrationLost" if step == "Migrate" else "Migrated")


def test_pods_that_will_not_end_bring_the_application_back() -> None:
    world = World()
    world.applications.end_seconds = 1000.0
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["reason"] == "PodsWillNotEnd"
    assert world.replicas() == {"shop-api": 3}
    assert world.commands == []


@pytest.mark.parametrize("step", JOBS)
def test_a_node_that_is_lost_holds_a_run_for_a_bounded_time(step: str) -> None:
    """Its Pods neither get on nor go: only people or the node's return could end them."""
    world = World()
    until(world, working(world, step))
    world.kubelet.lost_node()
    world.run(seconds=4 * 3600.0)
    assert world.over
    reason = world.condition("Ready")["reason"]
    if step == "Migrate":
        assert reason == "MigrationUnclear"
        assert world.replicas() == {"shop-api": 0}
        assert "node may be gone" in world.condition("Stalled")["message"]
    else:
        # The time in which an inspection is tried again is over by then.
        assert reason == ("JobLost" if step == "Inspect" else "Migrated")
        assert world.replicas() == {"shop-api": 3}
    invariants.application_is_back_or_it_is_said_why(world)
    invariants.rest_writes_nothing(world)


@pytest.mark.parametrize("step", JOBS)
def test_a_node_that_is_lost_holds_a_deletion_for_a_bounded_time(step: str) -> None:
    world = World()
    until(world, working(world, step))
    world.kubelet.lost_node()
    world.delete()
    began = world.clock.seconds
    world.run(until=lambda: world.resource is None)
    assert world.clock.seconds - began < 300
    assert world.replicas() == {"shop-api": 0 if step == "Migrate" else 3}


@pytest.mark.parametrize("step", JOBS)
def test_a_job_that_gets_no_pod_is_given_up(step: str) -> None:
    world = World()
    world.kubelet.without_pods.add(step)
    world.run()
    assert world.condition("Ready")["reason"] == "QuotaExceeded"
    assert world.replicas() == {"shop-api": 3}
    assert world.commands == []
    invariants.check(world)
