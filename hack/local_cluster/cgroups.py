"""The part of the cgroup tree that is a cluster's: the kubelet's Pods below it, the node's own processes in `node`.

Works with both layouts: version 1 (a tree for each controller, as on older systems) and version 2 (one tree).
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import NotReadyError

if TYPE_CHECKING:
    from .layout import Cluster

ROOT = Path("/sys/fs/cgroup")
UNIFIED_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def hierarchies() -> list[Path]:
    """The roots of all cgroup trees of this machine."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    found = {Path(fields[1]) for fields in mounts if fields[2] in ("cgroup", "cgroup2")}
    # The same tree may be reachable by several names (cpu, cpuacct → cpu,cpuacct); links do no harm, doubles neither.
    return sorted(path for path in found if path.is_relative_to(ROOT))


def create(cluster: Cluster) -> None:
    """Make the cluster's groups in every tree."""
    for root in hierarchies():
        below = root
        for part in (*cluster.cgroup.strip("/").split("/"), "node"):
            _delegate(below)
            below = below / part
            below.mkdir(exist_ok=True)
            _inherit_cpuset(below)


def enter(cluster: Cluster, pid: int) -> None:
    """Move a process into the cluster's own group, so that it does not count (or end) with the shell that called."""
    for root in hierarchies():
        (root / cluster.cgroup.strip("/") / "node" / "cgroup.procs").write_text(str(pid))


def remove(cluster: Cluster, within: float = 10.0) -> None:
    """Remove the cluster's groups; their processes have ended, but the kernel may need a moment to know."""
    deadline = time.monotonic() + within
    for root in hierarchies():
        top = root / cluster.cgroup.strip("/")
        while top.exists():
            _remove_tree(top)
            if not top.exists():
                break
            if time.monotonic() > deadline:
                raise NotReadyError(
                    f"the cgroup {top} is still in use", now=f"see which process stays: cat {top}/**/cgroup.procs"
                )
            time.sleep(0.05)
        with contextlib.suppress(OSError):  # another cluster's groups are in it
            top.parent.rmdir()


def _remove_tree(top: Path) -> None:
    # A cgroup's files cannot be deleted and need not be: only its folders, from the leaves up.
    folders = [path for path in top.rglob("*") if path.is_dir()]
    for folder in (*sorted(folders, key=lambda path: len(path.parts), reverse=True), top):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _delegate(group: Path) -> None:
    """Version 2 only: let children have the controllers that are there."""
    available = group / "cgroup.controllers"
    if not available.exists():
        return
    for controller in set(available.read_text().split()) & set(UNIFIED_CONTROLLERS):
        with contextlib.suppress(
            OSError
        ):  # a root that holds processes itself refuses some; the kubelet says which it misses
            (group / "cgroup.subtree_control").write_text(f"+{controller}")


def _inherit_cpuset(group: Path) -> None:
    """Version 1 only: a new cpuset is empty, and no process can enter it before it has processors and memory."""
    for file in ("cpuset.cpus", "cpuset.mems"):
        path = group / file
        if path.exists() and not path.read_text().strip() and not (group / "cgroup.controllers").exists():
            path.write_text((group.parent / file).read_text())
