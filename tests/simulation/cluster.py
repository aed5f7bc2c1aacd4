"""The operator's port over the fake API server. Every call may be disturbed, and is a place where others may go on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.cluster.port import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.simulation.api_server import ApiServer

Json = dict[str, Any]


PLAN_LOG = b"""loading
{"dbm":"plan","file":"statements.sql","part":0,"text":"-- revision 0005\\nALTER TABLE"}
{"dbm":"plan","file":"statements.sql","part":1,"text":" a ADD b int;\\n"}
{"dbm":"plan","file":"schema.diff","part":0,"text":"+    b int\\n"}
{"dbm":"plan-end","files":[]}
"""


class CrashError(Exception):
    """The operator's process died here: its memory is gone."""


@dataclass(frozen=True)
class Call:
    """One call; `number` counts the writes of this port (0 for reads and dry runs)."""

    verb: str
    kind: str
    name: str
    body: Json
    number: int


class Pause:
    """An awaitable that gives the driver a chance to let others go on."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def undisturbed(_call: Call) -> None:
    """Nothing happens to calls."""


@dataclass
class FakeCluster:
    """What `dbmigrations.cluster.port.Cluster` asks for. `before` and `after` raise what shall go wrong."""

    server: ApiServer
    before: Callable[[Call], None] = undisturbed
    after: Callable[[Call], None] = undisturbed
    refuse: Callable[[Call], None] = undisturbed
    writes: int = 0
    events: int = 0
    latency: float = 0.002

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Read one object."""
        return await self._do("get", kind, name, {}, lambda: self.server.read((kind, namespace, name)))

    async def list(self, kind: str, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """Read objects."""
        return await self._do("list", kind, "", {}, lambda: self.server.search(kind, namespace, labels, fields))

    async def create(self, kind: str, namespace: str, body: Json, *, dry_run: bool = False) -> Json:
        """Create, or try to."""
        if dry_run:
            return await self._do("try", kind, "", body, lambda: body)
        return await self._do("create", kind, "", body, lambda: self.server.create(kind, namespace, body))

    async def patch(self, kind: str, namespace: str, name: str, body: Json, *, manager: str = "") -> Json:
        """Patch an object."""
        return await self._do(
            "patch", kind, name, body, lambda: self.server.patch((kind, namespace, name), body, manager)
        )

    async def put_status(self, body: Json) -> Json:
        """Replace a status."""
        name = body["metadata"]["name"]
        return await self._do("status", "DatabaseMigration", name, body, lambda: self.server.put_status(body))

    async def log(self, namespace: str, pod: str, container: str) -> bytes:
        """Read what a rehearsal's report printed."""
        return await self._do("get", "Log", f"{namespace}/{pod}/{container}", {}, lambda: PLAN_LOG)

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object of that uid in the background, as `cluster.client` does: its Pods outlive it."""

        def do() -> None:
            stored = self.server.read((kind, namespace, name))
            if stored and stored["metadata"]["uid"] == uid:
                self.server.delete((kind, namespace, name))

        await self._do("delete", kind, name, {}, do)

    async def _do(self, verb: str, kind: str, name: str, body: Json, act: Callable[[], Any]) -> Any:
        await Pause()
        self.server.clock.advance(self.latency)
        writing = verb not in {"get", "list", "try"}
        number = self.writes + 1 if writing else 0
        call = Call(verb, kind, name, body, number)
        self.before(call)
        self.refuse(call)
        found = act()
        if writing:
            self.writes += 1
            self.events += kind == "Event"
        self.after(call)
        return found


def no_answer() -> ApiError:
    """A call whose answer never came."""
    return ApiError(0, "NoAnswer", "TimeoutError: ")
