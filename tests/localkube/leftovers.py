"""What a cluster could leave on this machine, read from the kernel."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


def traces(name: str) -> dict[str, list[str]]:
    """Everything on this machine that bears a cluster's name or interface, by kind; empty lists are left out."""
    found = {
        "mounts": _lines(Path("/proc/self/mountinfo").read_text(), name),
        "processes": [line for line in _processes() if name in line],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}")],
        "folders": [str(path) for path in Path("/var/lib/dbmigrations-localkube").glob(name)],
    }
    return {kind: lines for kind, lines in found.items() if lines}


def network() -> dict[str, list[str]]:
    """All routes, interfaces, network namespaces, packet filter tables and address leases of this machine."""
    return {
        "routes": _run("ip", "-o", "route", "show", "table", "all"),
        "interfaces": [line.split()[0] for line in _run("ip", "-br", "link")],
        "namespaces": sorted(path.name for path in Path("/run/netns").glob("*")),
        "tables": _run("nft", "list", "tables"),
        "leases": [str(path) for path in Path("/var/lib/cni").glob("**/*")],
    }


def new_in_network(before: dict[str, list[str]], ignored: Collection[str]) -> dict[str, list[str]]:
    """What was not there before, without the lines that hold one of the words that others answer for."""
    now = network()
    new = {kind: [line for line in now[kind] if line not in before[kind]] for kind in now}
    own = {kind: [line for line in lines if not any(word in line for word in ignored)] for kind, lines in new.items()}
    return {kind: lines for kind, lines in own.items() if lines}


def processes_of(name: str) -> set[int]:
    """Pids of all processes that run in the PID namespace of a cluster's node, its Pods' included."""
    cgroup = f"/dbmigrations-localkube/{name}"
    return {
        int(folder.name)
        for folder in Path("/proc").iterdir()
        if folder.name.isdigit() and cgroup in _read(folder / "cgroup")
    }


def _processes() -> list[str]:
    commands = (_read(path).replace("\0", " ") for path in Path("/proc").glob("[0-9]*/cmdline"))
    # The test's own runner may name the cluster on its command line.
    return [command for command in commands if "pytest" not in command]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _lines(text: str, part: str) -> list[str]:
    return [line for line in text.splitlines() if part in line]


def _run(*command: str) -> list[str]:
    # A program that comes with the first cluster of a machine has left nothing there before.
    if shutil.which(command[0]) is None:
        return []
    return sorted(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines())
