"""What can go wrong, as one line each: what happened, why, what to do now, and where the log is.

LocalKubeError
 ├── MachineUnfit     the machine lacks something that cannot be installed from here
 ├── CommandFailed    a program that was called ended with an error
 ├── NotReady         something did not come up in time
 ├── AlreadyExists    a cluster of this name is up
 └── NotFound         no such cluster, image or tool
"""

from __future__ import annotations

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


class MachineUnfit(LocalKubeError):
    """The machine lacks something that cannot be installed from here."""


class CommandFailed(LocalKubeError):
    """A program that was called ended with an error."""


class NotReady(LocalKubeError):
    """Something did not come up in time."""


class AlreadyExists(LocalKubeError):
    """A cluster of this name is up."""


class NotFound(LocalKubeError):
    """No such cluster, image or tool."""
