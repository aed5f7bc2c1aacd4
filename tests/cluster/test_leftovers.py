"""Runs that died: their cluster is healed, their namespaces go, their lock is free."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.api.manifests import patched, resources
from tests.cluster import leftovers
from tests.cluster.cluster import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cluster.cluster import Cluster

HOLD = """
import sys
from tests.cluster.leftovers import alone_on
with alone_on(sys.argv[1], print):
    print("held", flush=True)
    sys.stdin.read()
"""
GONE_SECONDS = 60


def stand_in(path: Path, script: str) -> str:
    """Write a program that notes its arguments and then does as told."""
    path.write_text(f'#!/bin/sh\necho "$@" >> {path}.calls\n{script}\n')
    path.chmod(0o755)
    return str(path)


def calls(path: str) -> list[str]:
    """What a stand-in was called with."""
    with open(f"{path}.calls", encoding="utf-8") as file:  # noqa: PTH123 - beside the program
        return [line.strip() for line in file]


LISTED = 'case "$1 $2" in "get clusters") echo dbm-x;; "get kubeconfig") echo "server: here";; esac'


def test_a_cluster_that_is_not_there_is_left_to_pytest_kind(tmp_path: Path) -> None:
    kind = stand_in(tmp_path / "kind", "")
    leftovers.heal(kind, "dbm-x", tmp_path / "kubeconfig", "false")
    assert calls(kind) == ["get clusters"]


def test_a_cluster_that_answers_is_kept_and_its_kubeconfig_asked_for(tmp_path: Path) -> None:
    kind, kubectl = stand_in(tmp_path / "kind", LISTED), stand_in(tmp_path / "kubectl", "")
    kubeconfig = tmp_path / "lost" / "kubeconfig"
    leftovers.heal(kind, "dbm-x", kubeconfig, kubectl)
    assert kubeconfig.read_text() == "server: here\n"
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert not [call for call in calls(kind) if call.startswith("delete")]


@pytest.mark.parametrize(("script", "answers"), [(LISTED, "exit 1"), ("echo dbm-x; [ $2 != kubeconfig ]", "exit 0")])
def test_a_cluster_that_does_not_answer_is_deleted(tmp_path: Path, script: str, answers: str) -> None:
    kind, kubectl = stand_in(tmp_path / "kind", script), stand_in(tmp_path / "kubectl", answers)
    leftovers.heal(kind, "dbm-x", tmp_path / "kubeconfig", kubectl)
    assert calls(kind)[-1] == f"delete cluster --name dbm-x --kubeconfig {tmp_path}/kubeconfig"


def test_runs_take_turns_and_a_killed_one_does_not_keep_the_lock(tmp_path: Path) -> None:
    name = tmp_path.name
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, name], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    said: list[str] = []
    had = threading.Event()

    def take() -> None:
        with leftovers.alone_on(name, said.append):
            had.set()

    taker = threading.Thread(target=take)
    taker.start()
    while not said:
        assert taker.is_alive()
        time.sleep(0.01)
    assert not had.is_set()
    assert said == [f"waiting for another test run (pid {other.pid}) that uses the cluster {name}"]
    other.kill()
    other.communicate()
    taker.join(timeout=10)
    assert had.is_set()


@pytest.mark.cluster
def test_the_namespaces_of_a_killed_run_go_even_if_the_operator_held_something(cluster: Cluster) -> None:
    name = leftovers.new_namespace(cluster, "left behind")
    if cluster.get("/apis/dbmigrations.dev/v1alpha1") is not None:
        held = patched({})
        held["metadata"]["finalizers"] = ["dbmigrations.dev/finalizer"]
        assert cluster.request("POST", resources(name), held).status == 201
    leftovers.sweep(cluster)
    deadline = time.monotonic() + GONE_SECONDS
    while (found := cluster.get(f"/api/v1/namespaces/{name}")) is not None:
        assert time.monotonic() < deadline, json.dumps(found["status"])
        time.sleep(0.1)


@pytest.mark.cluster
def test_a_namespace_is_named_after_its_test_and_restricted(cluster: Cluster, namespace: str) -> None:
    assert namespace.startswith("t-a-namespace-is-named-after-its-test-and")
    found = cluster.get(f"/api/v1/namespaces/{namespace}")
    assert found is not None
    assert found["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
