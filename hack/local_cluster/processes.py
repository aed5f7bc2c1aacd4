"""A process is a pid together with its start time: a pid alone may long belong to somebody else."""

from __future__ import annotations

import contextlib
import os
import select
import signal
from dataclasses import dataclass
from pathlib import Path

from .errors import NotReadyError

START_TIME_FIELD = 22  # of /proc/<pid>/stat, counted from 1, in clock ticks since boot (proc(5))


@dataclass(frozen=True)
class Process:
    """One process on this machine, for as long as it lives."""

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Process:
        """The process that has this pid now; raises ProcessLookupError if none has."""
        started = _start_time(pid)
        if started is None:
            raise ProcessLookupError(pid)
        return cls(pid, started, boot_id())

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return self.boot == boot_id() and _start_time(self.pid) == self.started

    def kill(self, within: float = 30.0) -> bool:
        """End it by SIGKILL and wait until it is gone; False if it was gone already.

        The pidfd is opened first and the start time checked after, so that no other process can be hit.
        """
        try:
            handle = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return False
        try:
            if not self.alive():
                return False
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(within * 1000):
                raise NotReadyError(
                    f"process {self.pid} did not end within {within:.0f} s of SIGKILL",
                    now=f"it hangs in the kernel: look at /proc/{self.pid}/stack",
                )
            return True
        finally:
            os.close(handle)


def boot_id() -> str:
    """Differs after every reboot, where start times begin anew."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_time(pid: int) -> int | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in brackets, and a name may hold spaces and brackets itself.
    state, *rest = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(rest[START_TIME_FIELD - 4])
