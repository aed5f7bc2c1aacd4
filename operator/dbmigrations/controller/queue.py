"""A work queue: one key is never worked on twice at the same time, and its earliest wish to be looked at wins."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

K = TypeVar("K")

FAILURE_DELAYS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds before a key is tried again, by the number of its failures in a row."""


class WorkQueue(Generic[K]):
    """Keys with the moment (monotonic seconds) at which each is due."""

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._busy: set[K] = set()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        return len(self._due)

    async def add(self, key: K, delay: float = 0.0) -> None:
        """Ask that a key be looked at after a delay in seconds; an earlier wish stays."""
        async with self._changed:
            when = time.monotonic() + delay
            self._due[key] = min(when, self._due.get(key, when))
            self._changed.notify()

    async def run(self, work: Callable[[K], Awaitable[float | None]]) -> None:
        """Work for ever. `work` returns the delay after which the key wants to be looked at again, or None."""
        while True:
            key = await self._take()
            delay: float | None = FAILURE_DELAYS[min(self._failures.get(key, 0), len(FAILURE_DELAYS) - 1)]
            try:
                delay = await work(key)
                self._failures.pop(key, None)
            except Exception:
                self._failures[key] = self._failures.get(key, 0) + 1
                raise
            finally:
                await self._give_back(key, delay)

    async def _take(self) -> K:
        async with self._changed:
            while True:
                now = time.monotonic()
                ready = [(when, key) for key, when in self._due.items() if key not in self._busy]
                if ready:
                    when, key = min(ready, key=lambda pair: pair[0])
                    if when <= now:
                        del self._due[key]
                        self._busy.add(key)
                        return key
                wait = min((when for when, _ in ready), default=now + 3600) - now
                try:
                    await asyncio.wait_for(self._changed.wait(), wait)
                except TimeoutError:
                    continue

    async def _give_back(self, key: K, delay: float | None) -> None:
        async with self._changed:
            self._busy.discard(key)
            if delay is not None:
                when = time.monotonic() + delay
                self._due[key] = min(when, self._due.get(key, when))
            self._changed.notify()
