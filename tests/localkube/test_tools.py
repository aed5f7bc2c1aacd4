"""Tools are built once, at the versions of go.mod, and an interrupted build is never taken for a finished one."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_cluster import tools
from local_cluster.errors import CommandError, MachineError, NotFoundError

from .stand_ins import HACK, LOCALKUBE, Stubs, localkube

if TYPE_CHECKING:
    from pathlib import Path

GO_VERSION = 'if [ "$1" = env ]; then echo go1.24.1; exit 0; fi\n'
# `go build … -o FILE PACKAGE`: the second last word is where the program goes.
GO_BUILDS = GO_VERSION + 'while [ $# -gt 2 ]; do shift; done; echo built > "$1"'


@pytest.mark.parametrize("name", tools.PACKAGES)
def test_every_tool_has_a_version(name: str) -> None:
    assert re.fullmatch(r"v\d+\.\d+\.\d+|[0-9a-f]{12}", tools.tool(name).version)


def test_all_components_of_kubernetes_have_one_version_and_say_so() -> None:
    of_kubernetes = [tools.tool(name) for name in tools.NODE_TOOLS if name != "etcd"]
    assert {tool.version for tool in of_kubernetes} == {tools.tool("kubectl").version}
    assert all(f"gitVersion={tool.version}" in tool.ldflags for tool in of_kubernetes)


def test_the_libraries_of_kubernetes_are_pinned_to_its_version() -> None:
    version = tools.tool("kubelet").version.replace("v1.", "v0.", 1)
    pinned = re.findall(r"^\t(k8s\.io/\S+) => (\S+) (\S+)$", (HACK / "go.mod").read_text(), re.MULTILINE)
    assert len(pinned) > 30
    assert all((left, release) == (right, version) for left, right, release in pinned)


def test_a_tool_is_built_once(stubs: Stubs, own_folders: Path) -> None:
    stubs.add("go", GO_BUILDS)
    path = tools.ensure("helm")
    assert path.read_text() == "built\n"
    assert tools.ensure("helm") == path
    assert [call[1] for call in stubs.calls] == ["env", "build"]


def test_two_callers_at_once_build_once(stubs: Stubs, own_folders: Path) -> None:
    # The first holds on until both have been asked: a pipe is opened for writing only when somebody reads.
    gate = own_folders.parent / "gate"
    subprocess.run(["mkfifo", gate], check=True)
    stubs.add("go", GO_BUILDS.replace("while", f"cat {gate} > /dev/null; while", 1))
    command = [LOCALKUBE, "tools", "helm"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as second,
    ):
        # Whichever comes second says that it waits, before it does.
        waits = {first: "", second: ""}
        gate.write_text("")
        for process in waits:
            waits[process] = process.communicate(timeout=60)[1]
            assert process.returncode == 0, waits[process]
    assert sum(call[:2] == ["go", "build"] for call in stubs.calls) == 1


def test_a_build_that_fails_leaves_nothing_that_looks_finished(stubs: Stubs, own_folders: Path) -> None:
    stubs.add("go", GO_BUILDS + "; echo 'no such module' >&2; exit 1")
    with pytest.raises(CommandError) as error:
        tools.ensure("helm")
    assert "ended with 1: no such module" in str(error.value)
    assert error.value.log is not None
    assert "no such module" in error.value.log.read_text()
    assert not tools.tool("helm").path.exists()
    stubs.add("go", GO_BUILDS)
    assert tools.ensure("helm").read_text() == "built\n"


@pytest.mark.parametrize("version", ["go1.23.9", "go1.9"])
def test_an_old_go_is_told_in_one_line(stubs: Stubs, own_folders: Path, version: str) -> None:
    stubs.add("go", f"echo {version}")
    done = localkube("tools", "helm", LOCALKUBE_ENGINE="own")
    assert done.returncode == 1
    line = f"ERROR: Go 1.24 or newer is needed, and {stubs.folder}/go is {version}; install it: https://go.dev/dl\n"
    assert done.stderr == line


def test_no_go_is_told(own_folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(MachineError, match=r"Go 1\.24 or newer is needed, and none is on the PATH"):
        tools.ensure("helm")


def test_an_unknown_tool_is_told_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"no tool 'helmet'; known are: .*helm"):
        tools.tool("helmet")
