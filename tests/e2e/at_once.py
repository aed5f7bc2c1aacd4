"""Tests of independent applications, run at the same time: most of a migration's time is spent waiting.

`@at_once` marks a test. The first one of a module that is asked for starts all selected ones of that module in threads;
each test then only waits for its own. What a test is, and what pytest reports, does not change.
"""

from __future__ import annotations

import inspect
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

WORKERS = 4
"""Tests at the same time: more of them make each one slower on two cores, and their deadlines are real."""

_STARTED: pytest.StashKey[dict[str, Future[float]]] = pytest.StashKey()


def at_once(body: Callable[..., None]) -> Callable[..., None]:
    """Run a test, which takes `world` and its own parameters, beside the others of its module."""

    def wait(request: pytest.FixtureRequest, world: Any, **_parameters: Any) -> None:
        seconds = _start(request, world)[request.node.name].result()
        request.node.user_properties.append(("seconds", seconds))

    parameters = inspect.signature(body).parameters
    first = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("request", "world")]
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for name, p in parameters.items() if name != "world"]
    wait.__signature__ = inspect.Signature([*first, *own])  # type: ignore[attr-defined]
    wait.__name__, wait.__doc__, wait.__module__ = body.__name__, body.__doc__, body.__module__
    wait.body = body  # type: ignore[attr-defined]
    wait.pytestmark = getattr(body, "pytestmark", [])  # type: ignore[attr-defined]
    return wait


def _start(request: pytest.FixtureRequest, world: Any) -> dict[str, Future[float]]:
    """Start the module's selected tests, once."""
    module = request.node.getparent(pytest.Module)
    if _STARTED not in module.stash:
        chosen = [item for item in request.session.items if item.getparent(pytest.Module) is module]
        pool = ThreadPoolExecutor(WORKERS, thread_name_prefix=module.name)
        module.stash[_STARTED] = {
            item.name: pool.submit(_timed, item.function.body, world, item) for item in chosen if _is_ours(item)
        }
        # No new ones: the pool's threads end with the last test.
        pool.shutdown(wait=False)
    return module.stash[_STARTED]


def _is_ours(item: Any) -> bool:
    return hasattr(getattr(item, "function", None), "body")


def _timed(body: Callable[..., None], world: Any, item: Any) -> float:
    began = time.monotonic()
    parameters = getattr(item, "callspec", None)
    mine = Apart(world)
    try:
        body(mine, **(parameters.params if parameters else {}))
    finally:
        mine.tidy()
    return round(time.monotonic() - began, 1)


class Apart:
    """The world as one of several tests sees it: applications of its own, which end with it and not with another."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self._apps: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._world, name)

    def app(self, *arguments: Any, **options: Any) -> Any:
        """Set up an application, to be removed at the end of this test."""
        made = self._world.app(*arguments, **{**options, "keep": True})
        self._apps.append(made)
        return made

    def tidy(self) -> None:
        """Remove this test's applications."""
        while self._apps:
            self._world.delete(self._apps.pop())
