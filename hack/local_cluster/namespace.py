"""Starts a node in namespaces of its own, and ends it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from . import cgroups, network
from .commands import SYSTEM_PATH, environment
from .errors import NotReadyError
from .processes import Process
from .registry import record_process, recorded_process, write_atomically
from .supervisor import Spec, Unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .layout import Cluster

SUPERVISOR = Path(__file__).with_name("supervisor.py")


def binds(cluster: Cluster) -> tuple[tuple[str, str], ...]:
    """Fixed places that the components write to, each led into the cluster's folder."""
    return (
        (str(cluster.folder / "kubelet"), "/var/lib/kubelet"),
        (str(cluster.folder / "cni"), "/var/lib/cni"),
        (str(cluster.folder / "pods" / "logs"), "/var/log/pods"),
        (str(cluster.folder / "pods" / "links"), "/var/log/containers"),
    )


def start(cluster: Cluster, units: Sequence[Unit]) -> Process:
    """Start the node's first process, connect it, and let it start the components."""
    spec = Spec(cluster.node, SYSTEM_PATH, str(cluster.logs), binds(cluster), tuple(units))
    file = cluster.config / "node.json"
    write_atomically(file, json.dumps(asdict(spec), indent=2))
    log = cluster.logs / "node.log"
    # A session of its own, no terminal, no open files of ours: it outlives the shell that called.
    launcher = subprocess.Popen(
        [sys.executable, "-I", SUPERVISOR, file, log],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
        env=environment(),
    )
    assert launcher.stdin is not None
    assert launcher.stdout is not None
    assert launcher.stderr is not None
    with launcher:
        answer = launcher.stdout.readline().strip()
        if not answer.isdigit():
            raise NotReadyError(f"the node's first process did not start: {launcher.stderr.read().strip()}", log=log)
        process = Process.of(int(answer))
        record_process(cluster, process)
        cgroups.create(cluster)
        cgroups.enter(cluster, process.pid)
        network.connect(cluster, process.pid)
        launcher.stdin.write("go\n")
    return process


def stop(cluster: Cluster) -> bool:
    """Kill the node, if it runs: all its processes, mounts, interfaces and tables end with its first process."""
    process = recorded_process(cluster)
    killed = process is not None and process.kill()
    network.remove_link(cluster)
    cgroups.remove(cluster)
    return killed


def remove_mount_points() -> None:
    """Remove the empty folders that were made on this machine as places to mount on."""
    for target in ("/var/lib/kubelet", "/var/lib/cni", "/var/log/pods", "/var/log/containers"):
        try:
            os.rmdir(target)  # noqa: PTH106 (only if empty; it may be somebody else's)
        except OSError:
            continue
