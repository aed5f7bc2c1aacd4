"""Fixtures: stand-ins in front of PATH, and folders of the test's own."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

from .stand_ins import HACK, Stubs

if TYPE_CHECKING:
    from pathlib import Path

# The implementation lies beside the command, which finds it by itself; the tests must be told.
if str(HACK) not in sys.path:
    sys.path.insert(0, str(HACK))


@pytest.fixture
def stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stubs:
    folder = tmp_path / "stubs"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.delenv("LOCALKUBE_ENGINE", raising=False)
    return Stubs(folder, tmp_path / "calls")


@pytest.fixture
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """State and cache of this test alone; returns the state's folder."""
    monkeypatch.setenv("LOCALKUBE_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LOCALKUBE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "state"
