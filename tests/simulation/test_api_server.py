"""The fake API server itself: what it does not do as the real one does would make the simulation worthless."""

from __future__ import annotations

from typing import Any

import pytest
from tests.simulation.api_server import ApiServer
from tests.simulation.clock import Clock
from tests.simulation.patches import merge_patch, strategic_patch
from tests.simulation.selectors import matches_fields, matches_labels

from dbmigrations.cluster.port import ApiError

Json = dict[str, Any]
PLACE = ("Deployment", "shop", "x")


@pytest.fixture
def server() -> ApiServer:
    found = ApiServer(Clock())
    found.create("Deployment", "shop", {"metadata": {"name": "x"}, "spec": {"replicas": 3}, "status": {}})
    return found


def version(server: ApiServer, place: tuple[str, str, str] = PLACE) -> str:
    found = server.read(place)
    assert found is not None
    return str(found["metadata"]["resourceVersion"])


def test_a_name_is_taken_once(server: ApiServer) -> None:
    with pytest.raises(ApiError, match="AlreadyExists"):
        server.create("Deployment", "shop", {"metadata": {"name": "x"}})


def test_a_patch_with_an_old_version_is_a_conflict_and_changes_nothing(server: ApiServer) -> None:
    old = version(server)
    server.patch(PLACE, {"spec": {"replicas": 1}}, "a")
    with pytest.raises(ApiError, match="Conflict"):
        server.patch(PLACE, {"metadata": {"resourceVersion": old}, "spec": {"replicas": 0}}, "b")
    found = server.read(PLACE)
    assert found is not None
    assert found["spec"]["replicas"] == 1
    assert found["metadata"]["managedFields"][0]["manager"] == "a"


def test_a_patch_that_changes_nothing_makes_no_version_and_only_a_spec_a_generation(server: ApiServer) -> None:
    before = version(server)
    server.patch(PLACE, {"spec": {"replicas": 3}}, "")
    assert version(server) == before
    server.patch(PLACE, {"metadata": {"annotations": {"a": "b"}}}, "")
    found = server.read(PLACE)
    assert found is not None
    assert found["metadata"]["generation"] == 1
    server.patch(PLACE, {"spec": {"replicas": 2}}, "")
    found = server.read(PLACE)
    assert found is not None
    assert found["metadata"]["generation"] == 2


def test_what_is_read_is_a_copy(server: ApiServer) -> None:
    found = server.read(PLACE)
    assert found is not None
    found["spec"]["replicas"] = 99
    assert server.read(PLACE) != found


def test_a_status_needs_the_newest_version_of_the_same_object(server: ApiServer) -> None:
    made = server.create("DatabaseMigration", "shop", {"metadata": {"name": "m"}, "spec": {}})
    server.put_status({**made, "status": {"phase": "x"}})
    with pytest.raises(ApiError, match="Conflict"):
        server.put_status({**made, "status": {"phase": "y"}})
    newest = server.read(("DatabaseMigration", "shop", "m"))
    assert newest is not None
    with pytest.raises(ApiError, match="Conflict"):
        server.put_status({**newest, "metadata": {**newest["metadata"], "uid": "other"}, "status": {}})


def test_a_finalizer_holds_an_object_and_the_last_one_lets_it_go(server: ApiServer) -> None:
    server.patch(PLACE, {"metadata": {"finalizers": ["ours"]}}, "")
    server.delete(PLACE)
    found = server.read(PLACE)
    assert found is not None
    assert "deletionTimestamp" in found["metadata"]
    server.patch(PLACE, {"metadata": {"finalizers": []}}, "")
    assert server.read(PLACE) is None


def with_pod(server: ApiServer) -> tuple[str, str, str]:
    job = server.create("Job", "shop", {"metadata": {"name": "j"}, "spec": {}})
    owner = {"uid": job["metadata"]["uid"], "blockOwnerDeletion": True}
    server.create("Pod", "shop", {"metadata": {"name": "p", "ownerReferences": [owner]}})
    return ("Job", "shop", "j")


def test_in_the_background_pods_outlive_their_job(server: ApiServer) -> None:
    place = with_pod(server)
    server.delete(place)
    assert server.read(place) is None
    server.collect_garbage()
    pod = server.read(("Pod", "shop", "p"))
    assert pod is not None
    assert "deletionTimestamp" in pod["metadata"]


def test_in_the_foreground_a_job_stays_until_its_pods_are_gone(server: ApiServer) -> None:
    place = with_pod(server)
    server.delete(place, foreground=True)
    server.collect_garbage()
    assert server.read(place) is not None
    server.delete(("Pod", "shop", "p"), now=True)
    server.collect_garbage()
    assert server.read(place) is None


@pytest.mark.parametrize("patch", [merge_patch, strategic_patch])
def test_a_patch_merges_and_null_removes(patch: Any) -> None:
    assert patch({"a": {"b": 1, "c": 2}, "l": [1]}, {"a": {"b": None, "d": 3}, "l": [2]}) == {
        "a": {"c": 2, "d": 3},
        "l": [2],
    }


def test_containers_are_merged_by_name() -> None:
    before: Json = {"containers": [{"name": "app", "image": "a", "env": [{"name": "X", "value": "1"}]}, {"name": "b"}]}
    patch = {"containers": [{"name": "app", "image": "n"}]}
    assert strategic_patch(before, patch)["containers"] == [
        {"name": "app", "image": "n", "env": [{"name": "X", "value": "1"}]},
        {"name": "b"},
    ]
    assert merge_patch(before, patch)["containers"] == [{"name": "app", "image": "n"}]


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("a=1", True),
        ("a=2", False),
        ("a=1,b=2", True),
        ("a in (0,1),b", True),
        ("a notin (0,1)", False),
        ("!c", True),
        ("!a", False),
        ("c", False),
    ],
)
def test_labels_are_selected_as_the_api_server_does(selector: str, matches: bool) -> None:
    assert matches_labels({"metadata": {"labels": {"a": "1", "b": "2"}}}, selector) is matches


def test_an_unknown_selector_is_an_error_and_fields_are_paths() -> None:
    with pytest.raises(ValueError, match="not a label selector"):
        matches_labels({"metadata": {}}, "a > 1")
    event = {"involvedObject": {"uid": "u"}, "type": "Warning"}
    assert matches_fields(event, "involvedObject.uid=u,type=Warning")
    assert not matches_fields(event, "involvedObject.uid=v,type=Warning")
