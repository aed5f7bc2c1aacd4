"""The status: its default, its own rules, and that specification and status cannot be changed by way of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.manifests import patched, resources
from tests.api.status import CONDITION, STATUS_REFUSALS, condition
from tests.api.words import problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

pytestmark = pytest.mark.cluster


@pytest.fixture
def stored(cluster: Cluster, space: str) -> Iterator[Json]:
    """A resource that is stored, as the answer to its creation shows it."""
    answer = cluster.request("POST", resources(space), {**patched({}), "status": {"phase": "Ready"}})
    assert answer.status == 201, answer.body
    yield answer.body
    cluster.request("DELETE", f"{resources(space)}/shop")


def test_nobody_has_seen_a_new_resource(cluster: Cluster, space: str, stored: Json) -> None:
    """What kubectl wait, Argo CD and Flux ask for: a generation that is not yet observed, from the first moment."""
    assert stored["metadata"]["generation"] == 1
    seen = cluster.get(f"{resources(space)}/shop")
    assert seen is not None
    assert seen["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(("status", "field", "words"), STATUS_REFUSALS, ids=[field for _, field, _ in STATUS_REFUSALS])
def test_a_broken_status_is_refused(
    cluster: Cluster, space: str, stored: Json, status: Json, field: str, words: str
) -> None:
    answer = cluster.request("PATCH", f"{resources(space)}/shop/status?dryRun=All", {"status": status})
    assert answer.status == 422, answer.body
    assert problems(answer) == [(field, words)]


def test_writing_the_status_leaves_the_specification_alone(cluster: Cluster, space: str, stored: Json) -> None:
    change = {"spec": {"strategy": "Online"}, "status": condition(), "metadata": {"labels": {"a": "b"}}}
    written = cluster.request("PATCH", f"{resources(space)}/shop/status", change).body
    assert written["spec"] == stored["spec"]
    assert written["status"]["conditions"] == [CONDITION]
    assert written["metadata"]["generation"] == 1


def test_writing_the_specification_leaves_the_status_alone(cluster: Cluster, space: str, stored: Json) -> None:
    cluster.request("PATCH", f"{resources(space)}/shop/status", {"status": condition()})
    change = {"spec": {"strategy": "Online"}, "status": {"phase": "Ready", "conditions": []}}
    written = cluster.request("PATCH", f"{resources(space)}/shop", change).body
    assert written["status"] == {"observedGeneration": -1, **condition()}
    assert written["metadata"]["generation"] == 2


def test_what_a_run_holds_is_kept_whatever_it_is(cluster: Cluster, space: str, stored: Json) -> None:
    """A newer operator writes more than an older definition knows."""
    status = {"run": {"id": "1-ab", "new": {"a": [1, None]}}, "lastSuccess": {"x": 1}, "history": [{"y": True}]}
    written = cluster.request("PATCH", f"{resources(space)}/shop/status", {"status": status}).body["status"]
    assert written["lastSuccess"] == status["lastSuccess"]
    assert written["history"] == status["history"]
    assert written["run"]["id"] == "1-ab"
    assert written["run"]["new"]["a"][0] == 1
