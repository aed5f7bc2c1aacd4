"""One run from its beginning to its end under the operator's real loop, for every way in which it can go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from tests.simulation import invariants
from tests.simulation.database import Database, failed, inspected, rehearsed
from tests.simulation.programs import Migration, Scenario, back_fill, half, upgrade
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.unit.making import Json

REHEARSED: Json = {"rehearsal": {"mode": "Required"}}
HEADS: Json = {**REHEARSED, "migration": {"target": "heads"}}
THERE = Database(("0005",), 5)
LOCK = {"seconds": 6.0, "pid": 77, "application": "report", "address": "10.0.0.9"}


@dataclass(frozen=True)
class Way:
    """A scenario and its end: reason, what the application is then, how often the command ran."""

    scenario: Scenario
    reason: str
    application: str
    commands: int
    changes: Json = field(default_factory=dict)
    new_is_healthy: bool = True


WAYS = {
    "all is well": lambda: Way(Scenario(), "Migrated", "new", 1),
    "online": lambda: Way(Scenario(), "Migrated", "new", 1, {"strategy": "Online"}),
    "without a backup": lambda: Way(Scenario(), "Migrated", "new", 1, {"backup": {"mode": "Skip", "s3": None}}),
    "without a probe": lambda: Way(Scenario(), "Migrated", "new", 1, {"probe": None}),
    "already there": lambda: Way(Scenario(), "AlreadyAtTarget", "old", 0, {"migration": {"target": "0004"}}),
    "heads": lambda: Way(Scenario(), "Migrated", "new", 1, {"migration": {"target": "heads"}}),
    "rehearsed": lambda: Way(Scenario(), "Migrated", "new", 1, REHEARSED),
    "rehearsed, and heads are there": lambda: Way(
        Scenario(rehearse=[rehearsed(THERE, revisions=["0004"])]), "AlreadyAtTarget", "old", 0, HEADS
    ),
    "rehearsed with a copy that was lost twice": lambda: Way(
        Scenario(rehearse=[failed("VersionMoved", transient=True)] * 2), "Migrated", "new", 1, REHEARSED
    ),
    "no such extension on the copy": lambda: Way(
        Scenario(rehearse=[failed("ExtensionMissing")]), "ExtensionMissing", "old", 0, REHEARSED
    ),
    "the rehearsal fails": lambda: Way(
        Scenario(rehearse=[rehearsed(THERE, code=1)]), "RehearsalFailed", "old", 0, REHEARSED
    ),
    "the rehearsal migrates something else": lambda: Way(
        Scenario(rehearse=[rehearsed(THERE, versionTableRead=False, connected=False)]),
        "NotThisDatabase",
        "old",
        0,
        REHEARSED,
    ),
    "the rehearsal takes too long": lambda: Way(
        Scenario(rehearse=[failed("RehearsalTimeout")]), "RehearsalTimeout", "old", 0, REHEARSED
    ),
    "the rehearsal reaches the real database": lambda: Way(
        Scenario(compare=[inspected(Database(("0005",), 5))]), "RealDatabaseTouched", "old", 0, REHEARSED
    ),
    "the real migration ends somewhere else": lambda: Way(
        Scenario(rehearse=[rehearsed(THERE, revisions=["0005", "x"])]), "MigrationFailedHalfway", "stopped", 1, HEADS
    ),
    "wrong password": lambda: Way(Scenario(inspect=[failed("AuthenticationFailed")]), "AuthenticationFailed", "old", 0),
    "database away for a while": lambda: Way(
        Scenario(inspect=[failed("DatabaseUnreachable", transient=True)] * 3), "Migrated", "new", 1
    ),
    "database away for ever": lambda: Way(
        Scenario(inspect=[failed("DatabaseUnreachable", transient=True)] * 99), "DatabaseUnreachable", "old", 0
    ),
    "missing secret": lambda: Way(
        Scenario(stuck={"Inspect": "CreateContainerConfigError"}), "SecretNotFound", "old", 0
    ),
    "runner cannot be pulled": lambda: Way(
        Scenario(stuck={"Inspect": "ImagePullBackOff"}), "ImagePullFailed", "old", 0
    ),
    "missing service": lambda: Way(Scenario(), "ServiceNotFound", "old", 0, {"probe": {"http": {"service": "else"}}}),
    "missing port": lambda: Way(Scenario(), "ServicePortNotFound", "old", 0, {"probe": {"http": {"port": 1}}}),
    "missing container": lambda: Way(
        Scenario(), "ContainerNotFound", "old", 0, {"migration": {"podFrom": {"container": "x"}}}
    ),
    "missing workload": lambda: Way(
        Scenario(), "WorkloadNotFound", "old", 0, {"workloads": [{"kind": "StatefulSet", "name": "x"}]}
    ),
    "scale with another image": lambda: Way(Scenario(), "ImageDiffers", "old", 0, {"resume": {"mode": "Scale"}}),
    "dump fails": lambda: Way(Scenario(backup=[failed("DumpFailed")]), "DumpFailed", "old", 0),
    "bucket away once": lambda: Way(
        Scenario(backup=[failed("StoreUnreachable", transient=True)]), "Migrated", "new", 1
    ),
    "bucket away": lambda: Way(
        Scenario(backup=[failed("StoreUnreachable", transient=True)] * 9), "StoreUnreachable", "old", 0
    ),
    "gate refuses": lambda: Way(Scenario(gate=[failed("ForeignSessions")]), "ForeignSessions", "old", 0),
    "migration fails and leaves all as it was": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1)]), "MigrationFailed", "old", 1
    ),
    "migration fails after a hidden change": lambda: Way(
        Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]), "MigrationFailedHalfway", "stopped", 1
    ),
    "migration fails after a back-fill": lambda: Way(
        Scenario(migrations=[Migration([(0.5, back_fill)], exit_code=1)]), "MigrationFailedHalfway", "stopped", 1
    ),
    "migration reaches the target and fails": lambda: Way(
        Scenario(migrations=[Migration([(0.5, upgrade)], exit_code=1)]), "MigrationFailedHalfway", "stopped", 1
    ),
    "migration out of memory": lambda: Way(
        Scenario(migrations=[Migration(exit_code=137, reason="OOMKilled")]), "OOMKilled", "old", 1
    ),
    "migration takes too long": lambda: Way(
        Scenario(migrations=[Migration(exit_code=143, reason="DeadlineExceeded")]), "MigrationTimeout", "old", 1
    ),
    "migration does nothing but says all is well": lambda: Way(
        Scenario(migrations=[Migration()]), "TargetNotReached", "old", 1
    ),
    "lock timeout twice": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1, lock_wait=LOCK)] * 2), "Migrated", "new", 3
    ),
    "lock timeout for ever": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1, lock_wait=LOCK)] * 9), "LockTimeout", "old", 4
    ),
    "lock timeout, then the pod is lost after the commit": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1, lock_wait=LOCK), Migration([(0.5, upgrade)], lost=True)]),
        "Migrated",
        "new",
        2,
    ),
    "lock timeout, then the image is gone": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1, lock_wait=LOCK), Migration(image_pull=3000.0)]),
        "ImagePullFailed",
        "old",
        1,
    ),
    "command not found": lambda: Way(Scenario(migrations=[Migration(start_error=True)]), "CommandNotFound", "old", 0),
    "image cannot be pulled": lambda: Way(
        Scenario(migrations=[Migration(image_pull=3000.0)]), "ImagePullFailed", "old", 0
    ),
    "guard is silent after a success": lambda: Way(
        Scenario(migrations=[Migration([(0.5, upgrade)], guard_silent=True)]), "Migrated", "new", 1
    ),
    "guard is silent after a failure": lambda: Way(
        Scenario(migrations=[Migration(exit_code=1, guard_silent=True)]), "MigrationFailed", "old", 1
    ),
    "guard was restarted after a hidden change": lambda: Way(
        Scenario(migrations=[Migration([(0.5, half)], exit_code=1, guard_restarts=1)]),
        "MigrationFailedHalfway",
        "stopped",
        1,
    ),
    "pod lost before anything was committed": lambda: Way(
        Scenario(migrations=[Migration(lost=True)]), "MigrationLost", "old", 1
    ),
    "pod lost after the commit": lambda: Way(
        Scenario(migrations=[Migration([(0.5, upgrade)], lost=True)]), "Migrated", "new", 1
    ),
    "pod lost after a hidden change": lambda: Way(
        Scenario(migrations=[Migration([(0.5, half)], lost=True)]), "MigrationFailedHalfway", "stopped", 1
    ),
    "pod lost and the database away": lambda: Way(
        Scenario(
            migrations=[Migration([(0.5, half)], lost=True)],
            recheck=[failed("DatabaseUnreachable", transient=True)] * 99,
        ),
        "MigrationUnclear",
        "stopped",
        1,
    ),
    "new version is not healthy": lambda: Way(Scenario(), "ProbeFailed", "new", 1, new_is_healthy=False),
}


@pytest.mark.parametrize("name", WAYS)
def test_a_run_ends_as_it_should(name: str) -> None:
    way = WAYS[name]()
    world = World(way.scenario, way.changes, new_is_healthy=way.new_is_healthy)
    world.run()
    assert world.condition("Ready")["reason"] == way.reason, world.explain()
    assert world.condition("Reconciling")["status"] == "False"
    assert len(world.commands) == way.commands
    succeeded = way.reason in {"Migrated", "AlreadyAtTarget"}
    assert world.condition("Ready")["status"] == ("True" if succeeded else "False")
    assert world.condition("Stalled")["status"] == ("False" if succeeded else "True")
    stopped = way.application == "stopped"
    assert world.replicas() == {"shop-api": 0 if stopped else 3}
    if not stopped:
        assert world.images() == (world.new if way.application == "new" else world.old)
    invariants.check(world)


def test_a_dry_run_keeps_the_plan_and_touches_nothing_until_it_is_turned_off() -> None:
    world = World(changes={**REHEARSED, "dryRun": True})
    world.run()
    invariants.check(world)
    assert (world.status["phase"], world.condition("Ready")["reason"]) == ("Planned", "DryRun")
    assert (world.condition("Suspended")["status"], world.condition("Reconciling")["status"]) == ("True", "False")
    assert (world.commands, world.images(), world.bucket.dumps) == ([], world.old, {})
    world.apply(REHEARSED)
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["reason"] == "Migrated"
    assert world.condition("Suspended")["status"] == "False"
    assert len(world.rehearsals) == 2


def test_a_dry_run_without_a_rehearsal_touches_nothing_either() -> None:
    world = World(changes={"dryRun": True})
    world.run()
    invariants.check(world)
    assert (world.status["phase"], world.commands, world.images()) == ("Planned", [], world.old)
    assert "rehearsal.mode: Skip" in world.condition("Ready")["message"]


def test_a_dry_run_after_a_failure_leaves_what_is_stopped_and_the_next_run_takes_over() -> None:
    world = World(Scenario(migrations=[Migration([(0.5, half)], exit_code=1)]), REHEARSED)
    world.run()
    first = world.status["run"]["backup"]
    world.apply({**REHEARSED, "dryRun": True, "retryToken": "look"})
    world.run()
    invariants.check(world)
    assert (world.status["phase"], world.replicas()) == ("Planned", {"shop-api": 0})
    world.scenario = Scenario(backup=[failed("DumpFailed")] * 3)
    world.apply({**REHEARSED, "retryToken": "look"})
    world.run()
    invariants.check(world)
    run = world.status["run"]
    # The old version does not come back on a schema that is not its own.
    assert (run["takenOver"], run["firstBackup"], world.replicas()) == (True, first, {"shop-api": 0})


def test_a_dry_run_does_not_bring_back_what_an_earlier_run_left() -> None:
    world = World(new_is_healthy=False)
    world.run()
    assert world.condition("Stalled")["reason"] == "ProbeFailed"
    world.new_is_healthy = True
    world.apply({"dryRun": True, "retryToken": "look"})
    world.run()
    probes = world.probes
    assert world.status["phase"] == "Planned"
    world.apply({"retryToken": "look"})
    world.run()
    invariants.check(world)
    assert world.condition("Ready")["status"] == "True"
    assert world.probes > probes


def test_the_plan_of_the_last_run_is_kept_and_those_before_it_go() -> None:
    world = World(Scenario(rehearse=[rehearsed(THERE, code=1)]), REHEARSED)
    world.run()
    (first,) = world.server.of_kind("ConfigMap")
    assert first["data"] == {
        "statements.sql": "-- revision 0005\nALTER TABLE a ADD b int;\n",
        "schema.diff": "+    b int\n",
    }
    assert world.status["run"]["plan"]["configMaps"] == [first["metadata"]["name"]]
    world.apply({**REHEARSED, "retryToken": "again"})
    world.run()
    (second,) = world.server.of_kind("ConfigMap")
    assert second["metadata"]["name"] != first["metadata"]["name"]
    assert second["metadata"]["ownerReferences"][0]["name"] == "to-1-5"
