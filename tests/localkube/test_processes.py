"""Only the process that was recorded is ever killed."""

from __future__ import annotations

import dataclasses
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_cluster.processes import Process

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_the_recorded_process_is_killed_and_gone(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    assert process.alive()
    assert process.kill()
    assert not process.alive()
    assert child.wait() == -9


@pytest.mark.parametrize("change", [{"started": 1}, {"boot": "an earlier one"}])
def test_another_process_with_the_same_pid_is_left_alone(
    child: subprocess.Popen[bytes], change: dict[str, str | int]
) -> None:
    stranger = dataclasses.replace(Process.of(child.pid), **change)
    assert not stranger.alive()
    assert not stranger.kill()
    assert child.poll() is None


def test_a_process_that_is_gone_needs_no_killing(child: subprocess.Popen[bytes]) -> None:
    process = Process.of(child.pid)
    child.kill()
    child.wait()
    assert not process.kill()
