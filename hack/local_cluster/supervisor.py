"""The node's first process: enters namespaces of its own, starts the components and starts again what ends.

Runs as a program of its own (`supervisor.py SPEC LOG`) and imports nothing from its package, so that a running node
does not depend on the checkout. It is process 1 of its PID namespace: whoever kills it kills the whole node at once,
and mounts, interfaces, packet filter tables and Pods go with the namespaces. Protocol with namespace.start(): it
prints its pid as this machine sees it, and waits on stdin for a line before it starts anything; without one (the
caller died) it ends, and nothing is left.
"""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
LOOK_SECONDS = 0.05
RESTART_SECONDS = 1.0


@dataclass(frozen=True)
class Unit:
    """One component. It starts once everything in `after` holds.

    `tcp:<host>:<port>` and `unix:<path>` hold when a connection is accepted, `ready:<host>:<port>` when /readyz
    says so.
    """

    name: str
    argv: tuple[str, ...]
    after: tuple[str, ...] = ()


@dataclass(frozen=True)
class Spec:
    """What a node consists of. `binds` are (folder of the cluster, where the node sees it)."""

    hostname: str
    path: str
    logs: str
    binds: tuple[tuple[str, str], ...]
    units: tuple[Unit, ...]

    @classmethod
    def read(cls, file: Path) -> Spec:
        raw = json.loads(file.read_text())
        units = tuple(Unit(unit["name"], tuple(unit["argv"]), tuple(unit["after"])) for unit in raw["units"])
        return cls(raw["hostname"], raw["path"], raw["logs"], tuple((a, b) for a, b in raw["binds"]), units)


def main(arguments: list[str]) -> None:
    spec, log = Spec.read(Path(arguments[0])), Path(arguments[1])
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET) != 0:
        sys.exit(f"new namespaces are refused: {os.strerror(ctypes.get_errno())}")
    # A new PID namespace begins with the next child.
    if (child := os.fork()) != 0:
        print(child, flush=True)
        os._exit(0)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    if not sys.stdin.readline():
        return
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _prepare(spec)
    _supervise(spec)


def _prepare(spec: Spec) -> None:
    """Make the node's view of the machine its own: what it mounts is seen by nobody else, and vanishes with it."""
    # What this machine unmounts, the node lets go of (slave); containers see what the node mounts (shared).
    _mount("--make-rslave", "/")
    _mount("--make-rshared", "/")
    _mount("-t", "proc", "proc", "/proc")
    # /run has fixed places for sockets, network namespaces and locks of containerd, runc and iptables.
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for folder in ("/run/lock", "/run/netns"):
        Path(folder).mkdir()
    for source, target in spec.binds:
        Path(source).mkdir(parents=True, exist_ok=True)
        Path(target).mkdir(parents=True, exist_ok=True)
        _mount("--bind", source, target)
    socket.sethostname(spec.hostname)
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def _supervise(spec: Spec) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT})
    waiting: dict[str, tuple[Unit, float]] = {unit.name: (unit, 0.0) for unit in spec.units}
    running: dict[int, Unit] = {}
    while True:
        for unit, not_before in list(waiting.values()):
            if time.monotonic() >= not_before and all(map(_holds, unit.after)):
                del waiting[unit.name]
                running[_start(unit, spec)] = unit
        caught = signal.sigtimedwait({signal.SIGCHLD, signal.SIGTERM, signal.SIGINT}, LOOK_SECONDS if waiting else 3600)
        if caught is not None and caught.si_signo != signal.SIGCHLD:
            return
        for pid, status in _reap():
            if pid in running:
                unit = running.pop(pid)
                _say(f"{unit.name} ended with {os.waitstatus_to_exitcode(status)}; it is started again")
                waiting[unit.name] = (unit, time.monotonic() + RESTART_SECONDS)


def _start(unit: Unit, spec: Spec) -> int:
    log = os.open(Path(spec.logs) / f"{unit.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    pid = os.fork()
    if pid == 0:
        try:
            signal.pthread_sigmask(signal.SIG_SETMASK, [])
            os.setsid()
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.closerange(3, 256)
            os.chdir("/")
            os.execve(unit.argv[0], unit.argv, {"PATH": spec.path, "HOME": "/root", "LC_ALL": "C.UTF-8"})  # noqa: S606
        finally:
            os._exit(127)
    os.close(log)
    _say(f"{unit.name} runs as {pid}")
    return pid


def _reap() -> list[tuple[int, int]]:
    """All children that ended; orphans of containerd's shims end up here too."""
    ended: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append((pid, status))


def _holds(condition: str) -> bool:
    kind, _, where = condition.partition(":")
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(where)
            return True
        host, _, port = where.rpartition(":")
        if kind == "ready":
            return _says_ready(host, int(port))
        socket.create_connection((host, int(port)), timeout=1).close()
    except (OSError, http.client.HTTPException):
        return False
    return True


def _says_ready(host: str, port: int) -> bool:
    # Only the node's own processes listen on its loopback: there is nobody to be mistaken for.
    context = ssl._create_unverified_context()  # noqa: S323
    connection = http.client.HTTPSConnection(host, port, timeout=1, context=context)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    finally:
        connection.close()


def _say(text: str) -> None:
    print(time.strftime("%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
