"""An operator process: the real `Reconciler`, looked after as the work queue does, with a memory that a crash ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.cluster import CrashError, FakeCluster
from tests.unit.making import NAME, SPACE

from dbmigrations.cluster.port import ApiError
from dbmigrations.controller.metrics import Metrics
from dbmigrations.controller.queue import FAILURE_DELAYS
from dbmigrations.controller.reconcile import Reconciler
from dbmigrations.manifests.runner import Runner, Scratch

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from tests.simulation.world import World


RUNNER = Runner("runner:1", scratch=Scratch({17: "postgres:17"}))


@dataclass
class Operator:
    """One operator process."""

    world: World
    cluster: FakeCluster
    reconciler: Reconciler | None = None
    due: float | None = 0.0
    failures: int = 0
    crashes: int = 0
    passes: int = 0
    deaf: bool = False
    restart: float = 1.0
    """Seconds until a crashed operator is up again; until then it hears nothing."""
    down_until: float = 0.0
    coroutine: Coroutine[Any, Any, float | None] | None = None

    def begin(self) -> None:
        """Begin a pass."""
        if self.reconciler is None:
            self.reconciler = Reconciler(
                self.cluster,
                RUNNER,
                self.world.settings,
                self.world.probe,
                Metrics(),
                self.world.clock.now,
            )
        self.due = None
        self.passes += 1
        self.coroutine = self.reconciler.once((SPACE, NAME))

    def step(self) -> bool:
        """Go on to the next call of the API; True while the pass is under way."""
        if self.coroutine is None:
            raise ValueError("no pass was begun")
        try:
            self.coroutine.send(None)
        except StopIteration as end:
            self.failures = 0
            self._end(end.value)
        except CrashError:
            self.crashes += 1
            self.failures = 0
            self.reconciler = None
            self.due, self.down_until = None, self.world.clock.seconds + self.restart
            self._end(self.restart)
        except ApiError:
            self._end(FAILURE_DELAYS[min(self.failures, len(FAILURE_DELAYS) - 1)])
            self.failures += 1
        return self.coroutine is not None

    def _end(self, delay: float | None) -> None:
        self.coroutine = None
        if delay is not None:
            self.wish(self.world.clock.seconds + delay)

    def wish(self, when: float) -> None:
        """Ask for a pass at that moment, or earlier."""
        when = max(when, self.down_until)
        self.due = when if self.due is None else min(when, self.due)
