"""Where a Docker engine answers, kind and docker get the very arguments that this command was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pytest_kind import KindCluster

from .stand_ins import LOCALKUBE, Stubs, localkube

if TYPE_CHECKING:
    from pathlib import Path

DOCKER_ANSWERS = ["docker", "info"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "clusters"],
        [
            "create",
            "cluster",
            "--name=demo",
            "--kubeconfig=/tmp/k",
            "--image=kindest/node:v1.34.0",
            "--config",
            "c.yaml",
        ],
        ["load", "docker-image", "--name", "demo", "shop:1.0.0", "shop:2.0.0"],
        ["delete", "cluster", "--name=demo", "--kubeconfig=/tmp/k"],
        ["get", "kubeconfig", "--name", "demo", "--internal"],
    ],
)
def test_kind_gets_the_same_arguments(stubs: Stubs, arguments: list[str]) -> None:
    stubs.add("docker")
    stubs.add("kind")
    assert localkube(*arguments).returncode == 0
    assert stubs.calls == [DOCKER_ANSWERS, ["kind", *arguments]]


def test_docker_builds_images(stubs: Stubs) -> None:
    stubs.add("docker")
    build = [
        "build",
        "-t",
        "shop:1",
        "-f",
        "d/Dockerfile",
        "--target",
        "app",
        "--build-arg",
        "A=b c",
        "--progress",
        "plain",
        ".",
    ]
    assert localkube(*build).returncode == 0
    assert stubs.calls == [DOCKER_ANSWERS, ["docker", *build]]


def test_output_and_exit_code_are_kinds_own(stubs: Stubs) -> None:
    stubs.add("docker")
    stubs.add("kind", "echo one; echo two; echo trouble >&2; exit 3")
    done = localkube("get", "clusters")
    assert (done.stdout, done.stderr, done.returncode) == ("one\ntwo\n", "trouble\n", 3)


def test_docker_without_kind_says_what_to_install(stubs: Stubs, monkeypatch: pytest.MonkeyPatch) -> None:
    stubs.add("docker")
    monkeypatch.setenv("PATH", f"{stubs.folder}:/usr/bin:/bin")
    done = localkube("create", "cluster", "--name", "demo")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "ERROR: a Docker engine answers, but kind is not on the PATH; "
        "install kind, or set LOCALKUBE_ENGINE=own for a cluster without Docker"
    ]


def test_a_docker_client_without_an_engine_is_no_docker(stubs: Stubs, own_folders: Path) -> None:
    stubs.add("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    stubs.add("kind", "exit 9")
    done = localkube("get", "clusters")
    assert (done.stdout, done.returncode) == ("", 0)
    assert stubs.calls == [DOCKER_ANSWERS]


def test_the_engine_may_be_chosen(stubs: Stubs, own_folders: Path) -> None:
    stubs.add("docker")
    stubs.add("kind")
    assert localkube("get", "clusters", LOCALKUBE_ENGINE="own").returncode == 0
    assert stubs.calls == []


def test_pytest_kind_works_through_this_command(stubs: Stubs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-kind itself makes the calls here, so that its words and ours cannot drift apart unseen."""
    monkeypatch.chdir(tmp_path)
    kubeconfig = tmp_path / "kubeconfig"
    stubs.add("docker")
    content = '{"current-context": "c", "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}], \
"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}], "users": [{"name": "c", "user": {}}]}'
    stubs.add("kind", f"[ $1 != create ] || echo '{content}' > {kubeconfig}")
    cluster = KindCluster("demo", kubeconfig, kind_path=LOCALKUBE)
    cluster.create()
    cluster.load_docker_image("shop:1")
    cluster.delete()
    assert [call for call in stubs.calls if call != DOCKER_ANSWERS] == [
        ["kind", "get", "clusters"],
        ["kind", "create", "cluster", "--name=demo", f"--kubeconfig={kubeconfig}"],
        ["kind", "load", "docker-image", "--name", "demo", "shop:1"],
        ["kind", "delete", "cluster", "--name=demo", f"--kubeconfig={kubeconfig}"],
    ]
