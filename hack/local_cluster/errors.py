"""What can go wrong, as one line each: what happened, why, what to do now, and where the log is.

LocalKubeError
 ├── MachineError        the machine lacks something that cannot be installed from here
 ├── CommandError        a program that was called ended with an error
 ├── NotReadyError       something did not come up in time
 ├── AlreadyExistsError  a cluster of this name is up
 └── NotFoundError       no such cluster, image or tool
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class LocalKubeError(Exception):
    """Root of all errors that are meant for the person at the keyboard."""

    def __init__(self, what: str, *, now: str = "", log: Path | None = None) -> None:
        self.what = what
        self.now = now
        self.log = log
        super().__init__(what)

    def __str__(self) -> str:
        parts = [self.what]
        if self.now:
            parts.append(self.now)
        if self.log is not None:
            parts.append(f"log: {self.log}")
        return "; ".join(parts)


class MachineError(LocalKubeError):
    """The machine lacks something that cannot be installed from here."""


class CommandError(LocalKubeError):
    """A program that was called ended with an error."""


class NotReadyError(LocalKubeError):
    """Something did not come up in time."""


class AlreadyExistsError(LocalKubeError):
    """A cluster of this name is up."""


class NotFoundError(LocalKubeError):
    """No such cluster, image or tool."""
