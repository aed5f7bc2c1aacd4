"""The work queue: one key at a time, the earliest wish wins, failures back off."""

from __future__ import annotations

import asyncio
import itertools
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from dbmigrations.controller import queue as module
from dbmigrations.controller.queue import WorkQueue

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    import pytest


@asynccontextmanager
async def working(
    queue: WorkQueue[str], work: Callable[[str], Awaitable[float | None]], workers: int = 2
) -> AsyncIterator[None]:
    async def forever() -> None:
        while True:
            try:
                await queue.run(work)
            except ValueError:
                continue

    tasks = [asyncio.create_task(forever()) for _ in range(workers)]
    try:
        async with asyncio.timeout(5):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_key_is_worked_on_by_one_worker_at_a_time_and_again_after_a_wish_meanwhile() -> None:
    queue: WorkQueue[str] = WorkQueue()
    busy, most, rounds = 0, 0, 0
    begun, done = asyncio.Event(), asyncio.Event()

    async def work(_key: str) -> float | None:
        nonlocal busy, most, rounds
        busy, rounds = busy + 1, rounds + 1
        most = max(most, busy)
        begun.set()
        for _ in range(20):
            await asyncio.sleep(0)
        busy -= 1
        if rounds == 2:
            done.set()
        return None

    await queue.add("a")
    async with working(queue, work, workers=4):
        await begun.wait()
        for _ in range(5):
            await queue.add("a")
        await done.wait()
    assert (most, rounds) == (1, 2)
    assert len(queue) == 0


async def test_different_keys_are_worked_on_at_the_same_time() -> None:
    queue: WorkQueue[str] = WorkQueue()
    meeting = asyncio.Barrier(3)

    async def work(_key: str) -> float | None:
        await meeting.wait()
        return None

    async with working(queue, work):
        await queue.add("a")
        await queue.add("b")
        await meeting.wait()


async def test_the_earliest_wish_wins() -> None:
    queue: WorkQueue[str] = WorkQueue()
    done = asyncio.Event()

    async def work(_key: str) -> float | None:
        done.set()
        return None

    async with working(queue, work):
        await queue.add("a", 1000.0)
        await queue.add("a", 0.01)
        await queue.add("a", 2000.0)
        await done.wait()
    assert len(queue) == 0


async def test_a_delay_that_work_returns_is_kept_to() -> None:
    queue: WorkQueue[str] = WorkQueue()
    moments: list[float] = []
    done = asyncio.Event()

    async def work(_key: str) -> float | None:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) == 3:
            done.set()
            return None
        return 0.05

    await queue.add("a")
    async with working(queue, work):
        await done.wait()
    assert moments[1] - moments[0] >= 0.045
    assert moments[2] - moments[1] >= 0.045


async def test_failures_back_off_and_a_success_forgives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FAILURE_DELAYS", (0.01, 0.02, 0.08))
    queue: WorkQueue[str] = WorkQueue()
    moments: list[float] = []
    done = asyncio.Event()

    async def work(_key: str) -> float | None:
        moments.append(asyncio.get_running_loop().time())
        if len(moments) <= 4:
            raise ValueError
        if len(moments) == 5:
            return 0.0
        done.set()
        return None

    await queue.add("a")
    async with working(queue, work, workers=1):
        await done.wait()
    pauses = [after - before for before, after in itertools.pairwise(moments)]
    for pause, least in zip(pauses, (0.009, 0.019, 0.078, 0.078, 0.0), strict=True):
        assert pause >= least
