"""The reconcile loop: read, decide, write the intent, do one effect, look again."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import KIND
from dbmigrations.cluster.act import Actor
from dbmigrations.cluster.observe import Memory, observe, probe_mark
from dbmigrations.cluster.port import ApiError
from dbmigrations.controller.events import event_body, notes_of
from dbmigrations.controller.queue import FAILURE_DELAYS
from dbmigrations.machine.decide import decide
from dbmigrations.machine.effects import ProbeOnce
from dbmigrations.machine.observed import ProbeSeen, Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dbmigrations.api.spec import HttpProbe
    from dbmigrations.cluster.port import Cluster
    from dbmigrations.controller.metrics import Metrics
    from dbmigrations.machine.decision import Decision
    from dbmigrations.machine.observed import Observed, Settings
    from dbmigrations.manifests.runner import Runner

Json = dict[str, Any]
Key = tuple[str, str]
"""Namespace and name."""

log = logging.getLogger("dbmigrations")

CONFLICT = 0.05
"""Seconds before a resource is read again after somebody else wrote it."""


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


class Reconciler:
    """Carries resources on, one pass at a time. It keeps nothing that a restart may not lose."""

    def __init__(
        self,
        cluster: Cluster,
        runner: Runner,
        settings: Settings,
        prober: Callable[[str, HttpProbe], Awaitable[tuple[bool, str]]],
        metrics: Metrics,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._cluster = cluster
        self._runner = runner
        self._settings = settings
        self._prober = prober
        self._metrics = metrics
        self._clock = clock
        self._memories: dict[Key, tuple[str, Memory]] = {}

    async def once(self, key: Key) -> float | None:
        """Make one pass; return the seconds after which to look again, None for only when something changes.

        Raises ApiError when the API server did not answer the reads.
        """
        raw = await self._cluster.get(KIND, *key)
        if raw is None:
            self._memories.pop(key, None)
            self._metrics.forget(key)
            return None
        memory = self._memory(key, raw["metadata"]["uid"])
        o = await observe(self._cluster, raw, memory, self._clock(), self._settings)
        # A problem is told once; then the effect is tried again.
        memory.problem = None
        decision = decide(o)
        self._metrics.show(key, decision.status)
        changed = decision.status != o.status
        if changed:
            try:
                raw = await self._cluster.put_status({**raw, "status": decision.status.to_dict()})
            except ApiError as error:
                if error.status in {404, 409}:
                    return CONFLICT
                raise
        elif decision.effect is not None and not await self._current(key, raw):
            return CONFLICT
        await self._tell(o, decision, changed=changed)
        if decision.effect is not None:
            return await self._act(o, raw, memory, decision)
        return 0.0 if changed and decision.requeue == 0.0 else decision.requeue

    async def _current(self, key: Key, raw: Json) -> bool:
        """Tell whether the resource is still what was read before the rest was.

        A write of the status would find out. An effect without one could be long out of date: a second operator
        may have gone on while our reads took their time, and stopped or started just what we read after it.
        """
        newest = await self._cluster.get(KIND, *key)
        return newest is not None and newest["metadata"]["resourceVersion"] == raw["metadata"]["resourceVersion"]

    def _memory(self, key: Key, uid: str) -> Memory:
        known, memory = self._memories.get(key, ("", Memory()))
        if known != uid:
            memory = Memory()
            self._memories[key] = (uid, memory)
        return memory

    async def _act(self, o: Observed, raw: Json, memory: Memory, decision: Decision) -> float | None:
        effect = decision.effect
        if isinstance(effect, ProbeOnce):
            await self._probe(o, memory)
            return decision.requeue
        if effect is None:
            return decision.requeue
        # What was decided in this pass (a new attempt) must be in what the Job is built from.
        actor = Actor(self._cluster, self._runner, _with(o, decision), raw, memory)
        try:
            await actor.do(effect)
        except ApiError as error:
            log.warning("effect refused", extra={"fields": _fields(o, decision) | {"error": str(error)}})
            if error.status == 409 and error.reason == "Conflict":
                return CONFLICT
            memory.problem = Problem(error.status, error.reason, error.message)
            self._metrics.refused(error.status)
            memory.refusals += 1
            return FAILURE_DELAYS[min(memory.refusals, len(FAILURE_DELAYS)) - 1]
        memory.refusals = 0
        return decision.requeue

    async def _probe(self, o: Observed, memory: Memory) -> None:
        mark = probe_mark(o.status)
        if memory.probe_of != mark:
            memory.probe, memory.probe_of = ProbeSeen(), mark
        if o.spec.probe is None:
            return
        healthy, words = await self._prober(o.resource.namespace, o.spec.probe)
        memory.probe = ProbeSeen(memory.probe.successes + 1 if healthy else 0, words)

    async def _tell(self, o: Observed, decision: Decision, *, changed: bool) -> None:
        """Log, count and post events; a failure to post never stops a migration."""
        if not changed and decision.effect is None:
            return
        log.info("decided", extra={"fields": _fields(o, decision)})
        self._metrics.count(o.status, decision.status)
        notes = [*decision.notes, *notes_of(o.status.conditions, decision.status.conditions)] if changed else []
        notes = notes or list(decision.notes)
        for position, note in enumerate(notes):
            body = event_body(o.resource, note, o.now, position)
            try:
                await self._cluster.create("Event", o.resource.namespace, body)
            except ApiError as error:
                log.warning("event not posted", extra={"fields": _fields(o, decision) | {"error": str(error)}})


def _with(o: Observed, decision: Decision) -> Observed:
    return replace(o, status=decision.status)


def _fields(o: Observed, decision: Decision) -> Json:
    run = decision.status.run
    return {
        "namespace": o.resource.namespace,
        "name": o.resource.name,
        "run": run.id if run else "",
        "step": run.step.value if run else "",
        "outcome": run.outcome if run else "",
        "effect": repr(decision.effect) if decision.effect else "",
        "phase": decision.status.phase,
    }
