"""Names of images, and how a build is asked of buildah."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from local_cluster import build, load
from local_cluster.errors import LocalKubeError, NotFoundError

from .stand_ins import Stubs, localkube


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("shop:1", "docker.io/library/shop:1"),
        ("localhost/shop:1", "docker.io/library/shop:1"),
        ("dbmigrations/operator:dev", "docker.io/dbmigrations/operator:dev"),
        ("localhost/dbmigrations/operator:dev", "docker.io/dbmigrations/operator:dev"),
        ("registry.example/a/b:2", "registry.example/a/b:2"),
        ("registry:5000/b:2", "registry:5000/b:2"),
    ],
)
def test_an_image_gets_the_name_that_the_kubelet_looks_for(tag: str, name: str) -> None:
    assert load.qualified(tag) == name


@pytest.mark.parametrize("tag", ["shop", "a/shop", "registry:5000/shop"])
def test_an_image_without_a_tag_is_refused(tag: str) -> None:
    with pytest.raises(LocalKubeError, match="has no tag"):
        load.qualified(tag)


def test_an_image_that_was_not_built_here_says_how_to_build_it(stubs: Stubs) -> None:
    stubs.add("buildah", "exit 125")
    with pytest.raises(NotFoundError) as error:
        load.image_id("shop:1")
    assert str(error.value) == "no image 'shop:1' was built here; hack/localkube build -t shop:1 DIR"


def test_a_declared_base_gets_the_local_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(build.BASES, "BASE_IMAGE", lambda: "localhost/base:1")
    dockerfile = "ARG BASE_IMAGE=debian:trixie-slim\nFROM ${BASE_IMAGE}\n"
    assert build.with_bases(dockerfile, {"A": "1"}) == {"A": "1", "BASE_IMAGE": "localhost/base:1"}


def test_a_base_that_was_given_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(build.BASES, "BASE_IMAGE", lambda: pytest.fail("is not asked for"))
    assert build.with_bases("ARG BASE_IMAGE\n", {"BASE_IMAGE": "x:1"}) == {"BASE_IMAGE": "x:1"}


def test_a_base_that_is_not_declared_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(build.BASES, "BASE_IMAGE", lambda: pytest.fail("is not asked for"))
    assert build.with_bases("# ARG BASE_IMAGE\nFROM scratch\nARG BASE_IMAGES\n", {}) == {}


def test_everything_that_was_asked_for_reaches_buildah() -> None:
    wanted = build.Build(Path("dir"), ("a:1", "b:2"), Path("other/Dockerfile"), "app")
    words = [str(word) for word in build.command(wanted, {"A": "b c"}, {Path("/tmp/pip"): "/etc/pip.conf"})]
    assert words[-3:] == ["--file", "other/Dockerfile", "dir"]
    for option, value in (("--tag", "a:1"), ("--tag", "b:2"), ("--build-arg", "A=b c"), ("--target", "app")):
        assert (option, value) in pairwise(words)
    assert ("--volume", "/tmp/pip:/etc/pip.conf:ro") in pairwise(words)


def test_a_build_argument_needs_a_value() -> None:
    done = localkube("build", "-t", "a:1", "--build-arg", "A", ".", LOCALKUBE_ENGINE="own")
    assert done.returncode == 1
    assert done.stderr == "ERROR: --build-arg 'A' has no value; write it as NAME=VALUE\n"


def test_a_missing_dockerfile_is_told(tmp_path: Path) -> None:
    done = localkube("build", "-t", "a:1", tmp_path, LOCALKUBE_ENGINE="own")
    assert done.returncode == 1
    assert f"no Dockerfile at {tmp_path}/Dockerfile; name it with -f" in done.stderr
