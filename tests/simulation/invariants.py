"""The invariants of `docs`: what must hold after every scenario, however it went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.names import ORIGINAL, STOPPED_BECAUSE

if TYPE_CHECKING:
    from tests.simulation.cluster import Call
    from tests.simulation.world import World


def check(world: World) -> None:
    """Check all of them on a world that came to rest."""
    assert world.violations == []
    application_is_back_or_it_is_said_why(world)
    revision_is_the_one_in_the_status(world)
    no_job_works_after_the_end(world)
    rest_writes_nothing(world)


def application_is_back_or_it_is_said_why(world: World) -> None:
    """I1, and: a note of ours stays only on what is stopped."""
    for app in world.apps:
        found = world.server.find(app["kind"], app["metadata"]["name"])
        if found is None:
            continue
        name, notes = found["metadata"]["name"], found["metadata"].get("annotations", {})
        if found["spec"]["replicas"] == world.originals[name]:
            assert ORIGINAL not in notes, f"{name} is back, but still has the note"
            continue
        message = world.condition("Stalled")["message"]
        if f"{found['kind']}/{name} was scaled to {found['spec']['replicas']} by" in message:
            continue
        assert ORIGINAL in notes, f"{name} is not what it was, and nothing on it tells"
        if world.resource is None:
            assert STOPPED_BECAUSE in notes, f"{name} stays stopped without a word"
            continue
        assert world.over, world.explain()
        stalled = world.condition("Stalled")
        assert stalled["status"] == "True", f"{name} is not what it was, but a person is not called"
        assert f"{found['kind']}/{name}" in stalled["message"], stalled["message"]
        assert "stopped" in stalled["message"].lower()


def revision_is_the_one_in_the_status(world: World) -> None:
    """I3."""
    run = world.status.get("run", {})
    seen = run.get("after") or run.get("before") or run.get("planned")
    if world.resource is not None and world.over and seen:
        assert tuple(seen["revisions"]) == world.database.revisions


def no_job_works_after_the_end(world: World) -> None:
    """I5, and: nothing stays behind that nobody owns."""
    if not world.over:
        return
    assert [running.name for running in world.kubelet.running.values() if not running.done] == []
    assert world.database.sessions == {}
    for job in world.server.of_kind("Job"):
        kept = job["metadata"].get("ownerReferences") or job["spec"].get("ttlSecondsAfterFinished")
        assert kept, f"nobody will ever remove {job['metadata']['name']}"


def rest_writes_nothing(world: World) -> None:
    """A pass at a fixed point writes nothing, also that of a process that has just started."""
    for operator in [*world.operators, world.operator()]:
        operator.cluster.before = operator.cluster.after = _undisturbed
        before = operator.cluster.writes
        for _ in range(2):
            operator.begin()
            while operator.step():
                pass
        assert operator.cluster.writes == before, f"a pass at rest wrote: {world.explain()}"
    if world.resource is not None:
        assert "finalizers" not in world.resource["metadata"] or not world.resource["metadata"]["finalizers"]


def _undisturbed(_call: Call) -> None:
    pass
