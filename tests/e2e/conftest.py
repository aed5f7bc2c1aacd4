"""One cluster for the whole session. Tests of this folder ask for `world`; what a test made is removed behind it.

The cluster is that of tests/cluster (`--cluster-name`, `--keep-cluster`). DBM_E2E_BUILD=0 takes the images that it has.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.building import build_images
from tests.e2e.world import World
from tests.health import capture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.cluster import Cluster


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster."""
    for item in items:
        if "/e2e/" in str(item.path):
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def world(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[World]:
    """Return the cluster with the operator, PostgreSQL and the store in it."""
    said = request.config.get_terminal_writer()

    def step(what: str, do: Callable[[], object]) -> object:
        began = time.monotonic()
        result = do()
        said.line(f"  e2e: {what} {time.monotonic() - began:.1f} s")
        return result

    said.line()
    found = World(cluster)
    if os.environ.get("DBM_E2E_BUILD") != "0":
        step("images built", build_images)
        step("images loaded", found.load)
    step("PostgreSQL and the store", found.start_servers)
    step("operator installed", found.install)
    step("leftovers removed", found.sweep)
    capture.start_over()
    yield found
    found.tidy(all_of_them=True)


@pytest.fixture(autouse=True)
def _tidy(request: pytest.FixtureRequest) -> Iterator[None]:
    """Remove the applications of a test when it ended; a test that uses no world makes none."""
    yield
    if "world" in request.fixturenames:
        request.getfixturevalue("world").tidy()
