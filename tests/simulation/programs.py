"""What the Pods do: the runner's programs and the application's migration, as a Scenario says.

Each is a generator of delays in seconds; between them a Pod can be killed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.database import Database, failed, inspected, ok, rehearsed
from tests.simulation.states import terminated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.kubelet import Kubelet, Running
    from tests.simulation.world import World

Json = dict[str, Any]
LOADING = {"ExtensionMissing", "VersionMoved", "ScratchFailed"}
"""Reasons of the program that loads the copy."""
Reports = list[Json]
"""Reports of attempts that shall not go well, in their order; afterwards all is well."""


@dataclass
class Migration:
    """What the application's command does: commits at moments (seconds from its start), then an exit code."""

    commits: list[tuple[float, Callable[[Database], None]]] = field(default_factory=list)
    seconds: float = 1.0
    exit_code: int = 0
    start_error: bool = False
    image_pull: float = 0.0
    """Seconds for which the image cannot be pulled."""
    reason: str = ""
    lock_wait: Json | None = None
    guard_silent: bool = False
    guard_restarts: int = 0
    lost: bool = False
    sigterm_seconds: float = 0.3
    """How long the command goes on after SIGTERM."""


def upgrade(database: Database) -> None:
    """The whole upgrade, as one transaction."""
    database.revisions, database.schema, database.migrated_rows = ("0005",), 5, database.migrated_rows + 10


def half(database: Database) -> None:
    """A column renamed in an autocommit block: the version rows still say the old revision."""
    database.schema += 100


def back_fill(database: Database) -> None:
    """A batch of rows committed."""
    database.migrated_rows += 10


def succeeds() -> Migration:
    """The migration as it should be."""
    return Migration([(0.8, upgrade)])


@dataclass
class Scenario:
    """What shall not go well. `migrations` are the attempts' in order; afterwards they succeed."""

    inspect: Reports = field(default_factory=list)
    rehearse: Reports = field(default_factory=list)
    """Reports of rehearsals; one with `exitCode` among its facts has a command that ended so."""
    compare: Reports = field(default_factory=list)
    backup: Reports = field(default_factory=list)
    gate: Reports = field(default_factory=list)
    recheck: Reports = field(default_factory=list)
    migrations: list[Migration] = field(default_factory=list)
    stuck: dict[str, str] = field(default_factory=dict)
    """Step to the reason for which its first container waits for ever."""
    backup_seconds: float = 1.5


def program_of(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Return what a Pod does, by the step of its Job."""
    return PROGRAMS[pod.step](world, kubelet, pod)


def inspect(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Read the database."""
    yield from _single(world, kubelet, pod, "inspect", 0.5)
    world.read_began(pod)
    planned = world.scenario.inspect
    _report(kubelet, pod, "inspect", planned.pop(0) if planned else inspected(world.database))


def rehearse(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Load a copy, run the command on it, report; nothing of the database is touched."""
    yield from _single(world, kubelet, pod, "scratch", 0.1)
    pod.states["load"] = {"running": {}}
    kubelet.show(pod)
    yield 0.5
    world.rehearsals.append(f"{pod.config['run']}/{pod.attempt}")
    planned = world.scenario.rehearse
    told = planned.pop(0) if planned else rehearsed(world.database)
    if told.get("reason") in LOADING:
        pod.states["load"] = terminated(1, told)
        kubelet.end(pod, "Failed")
        return
    pod.states["load"] = terminated(0, ok(schema="c4"))
    pod.states["report"] = pod.states["migrate"] = {"running": {}}
    kubelet.show(pod, phase="Running")
    yield 0.8
    code = int(told.get("facts", {}).get("exitCode", 0))
    pod.states["migrate"] = terminated(code, None)
    kubelet.show(pod)
    yield 0.3
    pod.states["report"] = terminated(0 if told["ok"] else 1, told)
    pod.states["scratch"] = terminated(143, None)
    kubelet.end(pod, "Failed" if code else "Succeeded")


def compare(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Read the database again, after the rehearsal."""
    yield from _single(world, kubelet, pod, "inspect", 0.5)
    planned = world.scenario.compare
    _report(kubelet, pod, "inspect", planned.pop(0) if planned else inspected(world.database))


def recheck(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """End the sessions of the migration's Pods, then read the database."""
    yield from _single(world, kubelet, pod, "inspect", 0.5)
    world.read_began(pod)
    for address in pod.config.get("endSessionsOf", []):
        world.database.sessions.pop(address, None)
    planned = world.scenario.recheck
    _report(kubelet, pod, "inspect", planned.pop(0) if planned else inspected(world.database))


def backup(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Dump and verify; the manifest comes last."""
    yield from _single(world, kubelet, pod, "backup", 0.2)
    state = world.database.state
    world.dump_began(pod)
    yield world.scenario.backup_seconds
    planned = world.scenario.backup
    if planned:
        _report(kubelet, pod, "backup", planned.pop(0))
        return
    key = f"shop/{pod.config['uid']}/{pod.config['run']}/{pod.attempt}"
    if f"{key}/manifest.json" in world.bucket.dumps:
        _report(kubelet, pod, "backup", failed("ManifestExists"))
        return
    world.bucket.dumps[f"{key}/manifest.json"] = state
    facts = ok(
        uri=f"s3://backups/{key}/dump.pgc",
        manifestKey=f"{key}/manifest.json",
        versionID="v1",
        sizeBytes=4_000_000,
        sha256="ab" * 32,
        takenAt="2026-11-22T02:00:00Z",
        verified=True,
        verifiedAt="2026-11-22T02:00:01Z",
        verify="Stream",
        verifyNote="",
        compression="zstd:1",
        serverVersion="17.6",
        tables=8,
        rows=1000,
    )
    _report(kubelet, pod, "backup", facts)


def migrate(world: World, kubelet: Kubelet, pod: Running) -> Iterator[float]:
    """Gate, guard, the application's command, the guard's report."""
    plan = world.next_migration(pod)
    yield from _single(world, kubelet, pod, "gate", 0.3)
    refusal = _gate(world, pod)
    if refusal:
        pod.states["gate"] = terminated(1, refusal)
        kubelet.end(pod, "Failed")
        return
    before = world.database.fingerprint()
    pod.states["gate"] = terminated(0, ok(fingerprint=before))
    pod.states["guard"] = {"running": {}}
    kubelet.show(pod)
    yield 0.2
    if plan.image_pull:
        pod.states["migrate"] = {"waiting": {"reason": "ImagePullBackOff", "message": "not found: shop:1.5.0"}}
        kubelet.show(pod)
        yield plan.image_pull
    if plan.start_error:
        pod.states["migrate"] = {"terminated": {"exitCode": 128, "reason": "StartError", "message": "no such file"}}
        kubelet.show(pod)
        yield 0.3
        pod.states["guard"] = terminated(0, ok(fingerprint=world.database.fingerprint()))
        kubelet.end(pod, "Failed")
        return
    yield from _command(world, kubelet, pod, plan)
    if plan.lost:
        return
    pod.states["migrate"] = terminated(plan.exit_code, None, plan.reason)
    pod.restarts["guard"] = plan.guard_restarts
    kubelet.show(pod)
    yield 0.4
    world.database.sessions.pop(pod.address, None)
    report = ok(fingerprint=world.database.fingerprint(), sessionsLeft=0, lockWait=plan.lock_wait)
    pod.states["guard"] = terminated(0, None if plan.guard_silent else report)
    kubelet.end(pod, "Failed" if plan.exit_code else "Succeeded", plan.reason)


def _command(world: World, kubelet: Kubelet, pod: Running, plan: Migration) -> Iterator[float]:
    """The application's command: it commits as it goes."""
    world.command_started(pod)
    pod.main_running, pod.sigterm_seconds = True, plan.sigterm_seconds
    world.database.sessions[pod.address] = pod.name
    pod.states["migrate"] = {"running": {}}
    kubelet.show(pod, phase="Running")
    passed = 0.0
    for moment, commit in plan.commits:
        yield moment - passed
        passed = moment
        world.commit(pod, commit)
    yield max(0.0, plan.seconds - passed)
    if plan.lost:
        # Force-deleted, as a node that died: no state was reported.
        world.database.sessions.pop(pod.address, None)
        world.server.delete(("Pod", "shop", pod.name), now=True)
    pod.main_running = False


def _gate(world: World, pod: Running) -> Json | None:
    planned = world.scenario.gate
    if planned:
        return planned.pop(0)
    expect, database = pod.config["expect"], world.database
    if expect["manifest"] and expect["manifest"]["key"] not in world.bucket.dumps:
        return failed("BackupMissing")
    if (expect["revisions"], expect["schemaHash"]) != (list(database.revisions), f"schema-{database.schema}"):
        return failed("PlanOutdated")
    return None


def _single(world: World, kubelet: Kubelet, pod: Running, name: str, seconds: float) -> Iterator[float]:
    """Start the first container, unless it shall be stuck."""
    why = world.scenario.stuck.get(pod.step)
    while why:
        pod.states[name] = {"waiting": {"reason": why, "message": 'secret "db" not found'}}
        kubelet.show(pod)
        yield 1.0
        why = world.scenario.stuck.get(pod.step)
    pod.states[name] = {"running": {}}
    kubelet.show(pod, phase="Pending" if pod.init else "Running")
    yield seconds


def _report(kubelet: Kubelet, pod: Running, name: str, report: Json) -> None:
    pod.states[name] = terminated(0 if report["ok"] else 1, report)
    kubelet.end(pod, "Succeeded" if report["ok"] else "Failed")


PROGRAMS: dict[str, Callable[[World, Kubelet, Running], Iterator[float]]] = {
    "Inspect": inspect,
    "Rehearse": rehearse,
    "Compare": compare,
    "Recheck": recheck,
    "Backup": backup,
    "Migrate": migrate,
}
