"""The fixtures around pytest-kind; what they are for stands in `tests/cluster/__init__.py`."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cluster import leftovers
from tests.cluster.cluster import LOCALKUBE, ROOT, Cluster, checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NAME = "dbm-test"
PYTEST_KINDS_OWN_NAME = "pytest-kind"


def pytest_configure(config: pytest.Config) -> None:
    """Fill in pytest-kind's options where they were not given: a bare `pytest tests/api` does the right thing."""
    option = config.option
    if not hasattr(option, "kind_bin"):
        return  # -p no:pytest-kind
    if option.cluster_name == PYTEST_KINDS_OWN_NAME:
        option.cluster_name = NAME
    option.kind_bin = option.kind_bin or str(LOCALKUBE)
    option.kubeconfig = option.kubeconfig or str(ROOT / ".pytest-kind" / option.cluster_name / "kubeconfig")


def say(config: pytest.Config, text: str) -> None:
    """Tell whoever watches, past pytest's capturing."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{text}", flush=True)


@pytest.fixture(scope="session")
def cluster_lock(pytestconfig: pytest.Config) -> Iterator[None]:
    """Taken before the cluster is looked at, and given back after it was deleted."""
    with leftovers.alone_on(pytestconfig.option.cluster_name, lambda text: say(pytestconfig, text)):
        yield


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest, cluster_lock: None) -> Cluster:
    """The cluster, ready, without leftovers; this run has it for itself."""
    option = request.config.option
    kubectl = str(Path(checked([str(LOCALKUBE), "tools", "kubectl"]).strip()) / "kubectl")
    option.kind_kubectl_bin = option.kind_kubectl_bin or kubectl
    leftovers.heal(option.kind_bin, option.cluster_name, Path(option.kubeconfig), option.kind_kubectl_bin)
    # Creating one may take minutes on a new machine: its progress is shown.
    capture: Any = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled(), warnings.catch_warnings():
        # pytest-kind 22.11 and the client that it imports are older than the warnings of newer Pythons.
        warnings.simplefilter("ignore", DeprecationWarning)
        made = request.getfixturevalue("kind_cluster")
    found = Cluster(made.name, made.kubeconfig_path)
    leftovers.sweep(found)
    return found


@pytest.fixture
def new_namespace(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Callable[[], str]]:
    """Make namespaces under restricted Pod Security, named after the test; they go when the test has ended."""
    made = []

    def make() -> str:
        made.append(leftovers.new_namespace(cluster, request.node.name))
        return made[-1]

    yield make
    for name in made:
        leftovers.remove_namespace(cluster, name)


@pytest.fixture
def namespace(new_namespace: Callable[[], str]) -> str:
    """A fresh namespace."""
    return new_namespace()
