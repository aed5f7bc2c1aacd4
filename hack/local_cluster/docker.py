"""Where a Docker engine answers, the real kind and docker do the work: this command only hands its arguments over."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NoReturn

from .commands import succeeds
from .errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_SECONDS = 10.0


def engine_answers() -> bool:
    """Whether a Docker engine is there. LOCALKUBE_ENGINE=docker or =own decides without asking."""
    chosen = os.environ.get("LOCALKUBE_ENGINE", "")
    if chosen:
        return chosen == "docker"
    return shutil.which("docker") is not None and succeeds(["docker", "info"], timeout=ANSWER_SECONDS)


def hand_over(program: str, arguments: Sequence[str]) -> NoReturn:
    """Become kind or docker, with the very same arguments."""
    path = shutil.which(program)
    if path is None:
        raise MachineError(
            f"a Docker engine answers, but {program} is not on the PATH",
            now=f"install {program}, or set LOCALKUBE_ENGINE=own for a cluster without Docker",
        )
    os.execv(path, [program, *arguments])  # noqa: S606 (no shell is the point)
