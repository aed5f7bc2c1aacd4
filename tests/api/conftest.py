"""The definition as `kubectl apply` brings it to a real API server, and a namespace for what is tried with it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.schema import CRD_FILE, crd, spec_schema
from tests.cluster.fixtures import say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

ESTABLISHED_SECONDS = 60
OPERATORS = "app.kubernetes.io/name=dbmigrations"
# A chart that is installed into the same cluster afterwards takes the definition over only if Helm's marks are on it.
HELM_MARKS = {
    "metadata": {
        "labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {
            "meta.helm.sh/release-name": "dbmigrations",
            "meta.helm.sh/release-namespace": "dbmigrations-system",
        },
    }
}


@pytest.fixture(scope="session")
def applied_crd(cluster: Cluster, pytestconfig: pytest.Config) -> Json:
    """The definition after a client-side `kubectl apply`, once the API server judges by this very version of it."""
    _stop_operators(cluster, pytestconfig)
    cluster.kubectl("apply", "-f", str(CRD_FILE))
    cluster.kubectl("patch", "crd", crd()["metadata"]["name"], "--type=merge", "-p", json.dumps(HELM_MARKS))
    deadline = time.monotonic() + ESTABLISHED_SECONDS
    while published_spec(cluster) != spec_schema():
        assert time.monotonic() < deadline, "the API server does not publish the definition that was applied"
        time.sleep(0.1)
    found = cluster.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{crd()['metadata']['name']}")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def space(cluster: Cluster, applied_crd: Json, request: pytest.FixtureRequest) -> Iterator[str]:
    """A namespace for a module: most of what is tried here is never stored."""
    from tests.cluster.leftovers import new_namespace, remove_namespace

    name = new_namespace(cluster, request.module.__name__.rpartition(".")[2])
    yield name
    remove_namespace(cluster, name)


def published_spec(cluster: Cluster) -> Json | None:
    """The schema of spec as the API server publishes it; None before it does."""
    answer = cluster.request("GET", "/openapi/v3/apis/dbmigrations.dev/v1alpha1")
    schemas: Json = answer.body.get("components", {}).get("schemas", {})
    found: Json | None = (
        schemas.get("dev.dbmigrations.v1alpha1.DatabaseMigration", {}).get("properties", {}).get("spec")
    )
    return found


def _stop_operators(cluster: Cluster, config: pytest.Config) -> None:
    """An operator of an earlier run would work on the resources that are made here, and change their status."""
    listed = json.loads(cluster.kubectl("get", "deployments", "-A", "-l", OPERATORS, "-o", "json"))
    for item in listed["items"]:
        place, name = item["metadata"]["namespace"], item["metadata"]["name"]
        if item["spec"]["replicas"]:
            say(config, f"stopping {place}/{name}, which an earlier run left in the cluster")
            cluster.kubectl("scale", "-n", place, f"deployment/{name}", "--replicas=0")
            cluster.kubectl("wait", "-n", place, "--for=delete", "pod", "-l", OPERATORS, "--timeout=120s")
