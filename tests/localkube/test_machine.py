"""What the machine lacks is said in one line, before anything is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from local_cluster import machine
from local_cluster.errors import CommandError, MachineError

if TYPE_CHECKING:
    from pathlib import Path

    from .stand_ins import Stubs

MISSING = {"some-package": "/nonexistent/sign", "coreutils": "ls"}


@pytest.fixture
def fit_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "require_root", lambda: None)
    monkeypatch.setattr(machine, "require_debian", lambda: None)


def test_root_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(MachineError, match="needs root"):
        machine.require_root()


@pytest.mark.parametrize(
    ("release", "fits"),
    [
        ({"ID": "debian", "VERSION_ID": "12", "PRETTY_NAME": "Debian 12"}, True),
        ({"ID": "debian", "VERSION_ID": "13"}, True),
        ({"ID": "debian", "VERSION_ID": "11", "PRETTY_NAME": "Debian 11"}, False),
        ({"ID": "debian", "PRETTY_NAME": "Debian testing"}, False),
        ({"ID": "fedora", "VERSION_ID": "40", "PRETTY_NAME": "Fedora 40"}, False),
        ({}, False),
    ],
)
def test_debian_12_or_newer_is_needed(monkeypatch: pytest.MonkeyPatch, release: dict[str, str], fits: bool) -> None:
    monkeypatch.setattr(machine, "_os_release", lambda: release)
    if fits:
        machine.require_debian()
    else:
        with pytest.raises(MachineError, match=f"this is {release.get('PRETTY_NAME', 'unknown')}"):
            machine.require_debian()


@pytest.mark.usefixtures("fit_machine")
def test_only_what_is_missing_gets_installed(stubs: Stubs, own_folders: Path, tmp_path: Path) -> None:
    sign = tmp_path / "sign"
    stubs.add("apt-get", f"case $* in *install*) touch {sign};; esac")
    machine.ensure_packages({"some-package": str(sign), "coreutils": "ls"})
    assert len(stubs.calls) == 1
    assert stubs.calls[0][-1] == "some-package"
    assert "--no-install-recommends" in stubs.calls[0]


@pytest.mark.usefixtures("fit_machine")
def test_lists_are_fetched_when_a_package_is_not_known(stubs: Stubs, own_folders: Path, tmp_path: Path) -> None:
    sign, listed = tmp_path / "sign", tmp_path / "listed"
    stubs.add("apt-get", f"case $* in *update*) touch {listed};; *) [ -e {listed} ] && touch {sign};; esac")
    machine.ensure_packages({"some-package": str(sign)})
    assert [("update" in call, "install" in call) for call in stubs.calls] == [
        (False, True),
        (True, False),
        (False, True),
    ]


@pytest.mark.usefixtures("fit_machine")
def test_a_mirror_that_cannot_be_reached_is_told_with_the_log(stubs: Stubs, own_folders: Path) -> None:
    stubs.add("apt-get", "echo 'E: Could not resolve host'; exit 100")
    with pytest.raises(CommandError) as error:
        machine.ensure_packages(MISSING)
    assert "E: Could not resolve host" in str(error.value)
    assert "can this machine reach its mirror?" in str(error.value)
    assert error.value.log == own_folders.parent / "cache" / "logs" / "apt.log"
