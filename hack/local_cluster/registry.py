"""Which clusters there are, and who may change one: folders, a small record in each, and file locks.

A cluster's folder holds `cluster.json` (its slot), `process.json` (the node's first process) and, once everything came
up, `ready`.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from .errors import LocalKubeError, NotFoundError
from .layout import SLOTS, Cluster
from .processes import Process
from .progress import say
from .settings import state_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORD = "cluster.json"
PROCESS = "process.json"


@contextmanager
def locked(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold an exclusive lock on a file; it ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say(f"   another localkube is busy with {waiting_for}: waiting for it …")
                fcntl.flock(file, fcntl.LOCK_EX)
            # Whoever held it may have removed the file: then it is a lock that nobody else sees.
            if path.exists() and path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                yield
                return


@contextmanager
def changing(name: str) -> Iterator[None]:
    """Create and delete of one name, one after the other; the lock goes with the cluster."""
    path = state_root() / ".locks" / name
    with locked(path, f"the cluster {name}"):
        try:
            yield
        finally:
            if not (state_root() / name).exists():
                path.unlink(missing_ok=True)


def find(name: str) -> Cluster | None:
    """The cluster of this name, up or not."""
    try:
        record = json.loads((state_root() / name / RECORD).read_text())
        return Cluster(name, int(record["slot"]))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise LocalKubeError(
            f"{state_root() / name / RECORD} cannot be read: {error}",
            now=f"remove {state_root() / name} and create it again",
        ) from error


def known() -> list[Cluster]:
    """All clusters with a folder, by name."""
    root = state_root()
    names = sorted(entry.name for entry in root.iterdir() if (entry / RECORD).is_file()) if root.is_dir() else []
    return [cluster for cluster in map(find, names) if cluster is not None]


def running(name: str) -> Cluster:
    """The cluster of this name, if it is up; raises NotFoundError with what to do."""
    cluster = find(name)
    if cluster is None or not is_up(cluster):
        names = ", ".join(cluster.name for cluster in known() if is_up(cluster)) or "none"
        raise NotFoundError(
            f"no cluster {name!r} is up (up are: {names})", now=f"hack/localkube create cluster --name {name}"
        )
    return cluster


def is_up(cluster: Cluster) -> bool:
    """Whether it came up completely and its first process still runs."""
    process = recorded_process(cluster)
    return process is not None and process.alive() and (cluster.folder / "ready").exists()


def claim(name: str) -> Cluster:
    """The cluster of this name, with a slot of its own from now on."""
    found = find(name)
    if found is not None and not found.link_taken:
        return found
    with locked(state_root() / ".locks" / ".slots", "the list of clusters"):
        taken = {cluster.slot for cluster in known()}
        for slot in range(SLOTS):
            cluster = Cluster(name, slot)
            if slot not in taken and not cluster.link_taken:
                # Certificates name the addresses of the slot.
                shutil.rmtree(cluster.pki, ignore_errors=True)
                write_atomically(cluster.folder / RECORD, json.dumps({"slot": slot}))
                return cluster
    raise LocalKubeError(
        f"all {SLOTS} places for clusters are taken", now="hack/localkube delete cluster --name one of them"
    )


def record_process(cluster: Cluster, process: Process) -> None:
    write_atomically(cluster.folder / PROCESS, json.dumps(asdict(process)))


def recorded_process(cluster: Cluster) -> Process | None:
    """The first process of the node as it was recorded, alive or not."""
    try:
        return Process(**json.loads((cluster.folder / PROCESS).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader finds the old or the new one, never a half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.touch(mode=mode)
    part.write_text(text)
    part.replace(path)
