"""Server processes that never stay behind.

Each has a folder under one root; the folder's ``owner`` file names the test process and the server. A later test run
ends the servers whose test process died, and removes their folders.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(tempfile.gettempdir()) / f"dbmigrations-servers-{os.getuid()}"


def start_time(pid: int) -> str:
    """The kernel's start time of a process, "" if there is none: a number alone may have been given away again."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def new_folder(name: str) -> Path:
    """An empty folder for one server, after those of dead test runs were cleaned up."""
    ROOT.mkdir(exist_ok=True)
    ROOT.chmod(0o755)
    sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=ROOT))
    folder.chmod(0o755)
    _record(folder, 0)
    return folder


def _record(folder: Path, pid: int) -> None:
    me = os.getpid()
    owner = {"test": me, "testStart": start_time(me), "server": pid, "serverStart": start_time(pid) if pid else ""}
    (folder / "owner").write_text(json.dumps(owner))


def start(folder: Path, command: list[str], *, user: str | None = None, env: dict[str, str] | None = None) -> int:
    """Start a server in its folder, its output in ``folder/log``; returns its process id."""
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            group=group_of(user),
            env=env,
        )
    _record(folder, process.pid)
    _CHILDREN[process.pid] = process
    return process.pid


_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


def stop(pid: int, how: signal.Signals = signal.SIGTERM, timeout: float = 20) -> None:
    """End a server that this process started, and wait for it."""
    process = _CHILDREN.pop(pid)
    process.send_signal(how)
    try:
        process.wait(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def has_ended(pid: int) -> bool:
    """Whether a server that this process started has ended by itself."""
    return _CHILDREN[pid].poll() is not None


def sweep() -> None:
    """Clean up after test processes that died."""
    for folder in ROOT.iterdir():
        try:
            owner = json.loads((folder / "owner").read_text())
        except (OSError, ValueError):
            continue
        if start_time(owner["test"]) == owner["testStart"]:
            continue
        if owner["server"] and start_time(owner["server"]) == owner["serverStart"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(owner["server"], signal.SIGQUIT)
            wait_for(lambda pid=owner["server"]: not start_time(pid) or _is_zombie(pid), "a left-over server to end")
        shutil.rmtree(folder, ignore_errors=True)


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def remove(folder: Path) -> None:
    """The folder of a server that was stopped."""
    shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A loopback port that nobody uses just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition, what: str, timeout: float = 30) -> None:
    """Poll until the condition holds; AssertionError says what did not come."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout:.0f} s for {what}"
        time.sleep(0.02)


def unprivileged_user() -> str | None:
    """Whom servers run as that refuse to run as root; None for whoever we are."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    raise RuntimeError("there is neither a user postgres nor nobody to run PostgreSQL as")


def group_of(user: str | None) -> int | None:
    """The user's main group."""
    return None if user is None else pwd.getpwnam(user).pw_gid
