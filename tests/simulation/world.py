"""A cluster with an application, a database and one or more operators, under a clock that the simulation moves.

`World.run` lets events happen in their order until nothing is left to happen. The operators are the real `Reconciler`s;
each is looked after as the work queue does: one pass at a time, its earliest wish wins, failures back off.
"""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.simulation.api_server import ApiServer
from tests.simulation.clock import Clock
from tests.simulation.cluster import FakeCluster
from tests.simulation.database import Bucket, Database
from tests.simulation.deployments import Applications
from tests.simulation.kubelet import Kubelet
from tests.simulation.operators import Operator
from tests.simulation.programs import Migration, Scenario, succeeds
from tests.unit.making import NAME, NEW, OLD, SPACE, manifest, service, workload

from dbmigrations.api.names import LABEL_RUN
from dbmigrations.machine.observed import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.database import State
    from tests.simulation.kubelet import Running

    from dbmigrations.api.spec import HttpProbe

Json = dict[str, Any]

WATCH = 0.02
"""Seconds until a watch event has put the key on the queue."""


class StuckError(AssertionError):
    """The simulation does not come to an end."""


@dataclass
class World:
    """Everything. `scenario` says what shall not go well; `violations` collects what must never happen."""

    scenario: Scenario = field(default_factory=Scenario)
    changes: Json = field(default_factory=dict)
    apps: tuple[Json, ...] = field(default_factory=lambda: (workload(),))
    settings: Settings = field(default_factory=lambda: Settings(scratch_majors=(17,)))
    new_is_healthy: bool = True
    violations: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    rehearsals: list[str] = field(default_factory=list)
    probes: int = 0

    def __post_init__(self) -> None:
        self.clock = Clock()
        self.server = ApiServer(self.clock)
        self.database, self.bucket = Database(), Bucket()
        self.initial = self.database.state
        self.applications, self.kubelet = Applications(self), Kubelet(self)
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._bases: dict[str, State] = {}
        self.operators: list[Operator] = []
        self.originals = {app["metadata"]["name"]: app["spec"]["replicas"] for app in self.apps}
        self.server.listeners += [self.applications.changed, self.kubelet.changed]
        for app in self.apps:
            self.server.create(app["kind"], SPACE, app)
        self.server.create("Service", SPACE, service())
        self._until(10.0)
        self.server.listeners.append(self._watch)
        self.apply(self.changes)
        self.operator()

    def operator(self) -> Operator:
        """Add an operator process."""
        made = Operator(self, FakeCluster(self.server), due=self.clock.seconds)
        self.operators.append(made)
        return made

    def apply(self, changes: Json) -> None:
        """Apply a manifest, as kubectl does."""
        wanted = manifest(changes)
        if self.server.find("DatabaseMigration", NAME) is None:
            del wanted["metadata"]["uid"]
            self.server.create("DatabaseMigration", SPACE, wanted)
        else:
            self.server.change("DatabaseMigration", NAME, lambda found: found.update(spec=wanted["spec"]))

    def delete(self, *, foreground: bool = False) -> None:
        """Delete the resource."""
        self.server.delete(("DatabaseMigration", SPACE, NAME), foreground=foreground)

    @property
    def resource(self) -> Json | None:
        """The resource as it is stored."""
        return self.server.find("DatabaseMigration", NAME)

    @property
    def status(self) -> Json:
        """Its status."""
        found: Json = (self.resource or {}).get("status", {})
        return found

    def condition(self, kind: str) -> Json:
        """One of its conditions."""
        for found in self.status.get("conditions", []):
            if found["type"] == kind:
                return dict(found)
        return {"status": "Unknown", "reason": "", "message": ""}

    @property
    def over(self) -> bool:
        """True when the resource is gone or its run has an outcome."""
        return self.resource is None or bool(self.status.get("run", {}).get("outcome"))

    # Time

    def after(self, seconds: float, what: Callable[[], None]) -> None:
        """Let something happen later."""
        heapq.heappush(self._heap, (self.clock.seconds + seconds, next(self._order), what))

    def run(self, until: Callable[[], bool] | None = None, *, seconds: float = 7200.0, passes: int = 1000) -> None:
        """Let things happen until nothing is left, or `until` says so (looked at before each pass)."""
        end, budget = self.clock.seconds + seconds, passes
        while until is None or not until():
            operator = min((op for op in self.operators if op.due is not None), key=_due, default=None)
            at = operator.due if operator and operator.due is not None else end
            if self._heap and self._heap[0][0] <= at:
                self._next()
            elif operator is None and not self._heap:
                return
            elif operator is None or at >= end:
                raise StuckError(f"not at an end after {seconds} s: {self.explain()}")
            else:
                self.clock.seconds = max(self.clock.seconds, at)
                budget -= 1
                if budget < 0:
                    raise StuckError(f"more than {passes} passes: {self.explain()}")
                operator.begin()
                while operator.step():
                    pass
            self.server.collect_garbage()

    def _next(self) -> None:
        when, _, what = heapq.heappop(self._heap)
        self.clock.seconds = max(self.clock.seconds, when)
        what()

    def _until(self, seconds: float) -> None:
        while self._heap and self._heap[0][0] <= seconds:
            self._next()
        self.clock.seconds = max(self.clock.seconds, seconds)

    def next_event(self) -> float | None:
        """When the next thing happens, if any."""
        return self._heap[0][0] if self._heap else None

    def pass_time(self, until: float) -> None:
        """Let time pass, and happen what happens until then."""
        self.clock.seconds = max(self.clock.seconds, until)
        self.catch_up()

    def catch_up(self) -> None:
        """Let everything happen that was due while an operator's call took its time."""
        while self._heap and self._heap[0][0] <= self.clock.seconds:
            self._next()
        self.server.collect_garbage()

    def _watch(self, found: Json) -> None:
        ours = found["kind"] in {"DatabaseMigration", "Deployment", "StatefulSet", "Job"}
        if ours or LABEL_RUN in found["metadata"].get("labels", {}):
            for operator in self.operators:
                if not operator.deaf:
                    operator.wish(self.clock.seconds + WATCH)

    def explain(self) -> str:
        """Say where things stand, for a test that failed."""
        run = self.status.get("run", {})
        return f"step {run.get('step', 'Inspect')}, phase {self.status.get('phase')}: {self.condition('Ready')}"

    # The application and the database

    def fits(self, image: str) -> bool:
        """Tell whether an application's version fits what is in the database."""
        return self.database.state == self.initial if image == OLD else self.database.revisions == ("0005",)

    def serves(self, image: str) -> bool:
        """Tell whether a Pod of that image gets ready."""
        return self.fits(image)

    def application_started(self, pod: str, image: str) -> None:
        """A Pod of the application started: it must fit the schema, and no migration may be under way."""
        if not self.fits(image):
            self.violations.append(f"{pod} was started with {image} on {self.database.state}")
        if any(running.main_running for running in self.kubelet.running.values()) and not self.online:
            self.violations.append(f"{pod} was started while the migration ran")
        self.database.served += 1

    @property
    def online(self) -> bool:
        """True where nothing is stopped."""
        return self.changes.get("strategy") == "Online"

    async def probe(self, _namespace: str, _http: HttpProbe) -> tuple[bool, str]:
        """The operator's probe."""
        self.probes += 1
        ready = [
            pod
            for app in self.apps
            for pod in self.applications.pods(app["kind"], app["metadata"]["name"])
            if pod["metadata"]["annotations"].get("ready") and "deletionTimestamp" not in pod["metadata"]
        ]
        images = {pod["metadata"]["annotations"]["image"] for pod in ready}
        healthy = bool(images) and (self.new_is_healthy or images == {OLD})
        return healthy, "GET /readyz: 200" if healthy else "GET /readyz: 503 instead of 200"

    def dump_began(self, pod: Running) -> None:
        """A dump was begun: no Pod of the application may be left."""
        self._nobody(f"{pod.name} took its dump")

    def read_began(self, pod: Running) -> None:
        """The database is read: what is found must not change any more by a migration's hand."""
        busy = [p.name for p in self.kubelet.running.values() if p.main_running]
        if busy:
            self.violations.append(f"{pod.name} read the database while {busy} worked on it")

    def command_started(self, pod: Running) -> None:
        """The migration's command was started: what it is about to change must be in a verified dump."""
        self.commands.append(f"{pod.config['run']}/{pod.attempt}")
        self._bases[pod.uid] = self.database.state
        others = [p.name for p in self.kubelet.running.values() if p.main_running and p is not pod]
        if others:
            self.violations.append(f"{pod.name} ran its command beside {others}")
        self._nobody(f"{pod.name} ran its command")

    def commit(self, pod: Running, how: Callable[[Database], None]) -> None:
        """The migration commits."""
        base = self._bases[pod.uid]
        if self.changes.get("backup", {}).get("mode") != "Skip" and base not in self.bucket.dumps.values():
            self.violations.append(f"{pod.name} changed a database of which there is no verified dump (I7)")
        how(self.database)

    def _nobody(self, what: str) -> None:
        if self.online:
            return
        for app in self.apps:
            alive = self.applications.pods(app["kind"], app["metadata"]["name"])
            if alive:
                self.violations.append(f"{what} while {[pod['metadata']['name'] for pod in alive]} were there")

    def next_migration(self, _pod: Running) -> Migration:
        """What the next attempt's command does."""
        return self.scenario.migrations.pop(0) if self.scenario.migrations else succeeds()

    def images(self) -> set[str]:
        """The images of the workloads that run the application."""
        found = [self.server.find(app["kind"], app["metadata"]["name"]) for app in self.apps]
        return {app["spec"]["template"]["spec"]["containers"][0]["image"] for app in found if app}

    def replicas(self) -> dict[str, int]:
        """The replicas asked for, by workload."""
        found = [self.server.find(app["kind"], app["metadata"]["name"]) for app in self.apps]
        return {app["metadata"]["name"]: app["spec"]["replicas"] for app in found if app}

    @property
    def new(self) -> set[str]:
        """The new version's image, and no other."""
        return {NEW}

    @property
    def old(self) -> set[str]:
        """The old version's image, and no other."""
        return {OLD}


def _due(operator: Operator) -> float:
    return operator.due if operator.due is not None else float("inf")
