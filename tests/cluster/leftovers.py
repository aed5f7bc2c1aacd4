"""What runs that died left behind, and how runs that want the same cluster take turns."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cluster.cluster import CommandError, checked, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.cluster.cluster import Cluster

LABEL = "dbmigrations.dev/test"
RESOURCES = "/apis/dbmigrations.dev/v1alpha1/namespaces/{}/databasemigrations"


@contextlib.contextmanager
def alone_on(name: str, say: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock of a cluster's name; the kernel gives it back when a run dies, whatever killed it."""
    path = Path(tempfile.gettempdir()) / f"dbmigrations-{name}.lock"
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another test run (pid {lock.read().strip()}) that uses the cluster {name}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        lock.truncate()
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def heal(kind: str, name: str, kubeconfig: Path, kubectl: str) -> None:
    """Make sure that a cluster which `kind` lists is one that works: pytest-kind uses it without a look.

    Its kubeconfig is asked for again (another checkout may have created it); one that does not answer is deleted.
    """
    if name not in checked([kind, "get", "clusters"]).split():
        return
    kubeconfig.parent.mkdir(parents=True, exist_ok=True)
    kubeconfig.touch(0o600)
    found = run([kind, "get", "kubeconfig", "--name", name])
    if found.returncode == 0:
        kubeconfig.write_text(found.stdout)
        ask = [kubectl, f"--kubeconfig={kubeconfig}", "--request-timeout=10s", "get", "--raw=/readyz"]
        if run(ask).returncode == 0:
            return
    checked([kind, "delete", "cluster", "--name", name, "--kubeconfig", str(kubeconfig)])


def new_namespace(cluster: Cluster, about: str) -> str:
    """Make a namespace under restricted Pod Security whose name tells what it is for; return its name."""
    slug = re.sub(r"[^a-z0-9]+", "-", about.lower()).removeprefix("test-")[:40].strip("-")
    name = f"t-{slug}-{secrets.token_hex(3)}"
    labels = {LABEL: "namespace", "pod-security.kubernetes.io/enforce": "restricted"}
    answer = cluster.request("POST", "/api/v1/namespaces", {"metadata": {"name": name, "labels": labels}})
    if answer.status != 201:
        raise CommandError(f"namespace {name}: {answer.body.get('message', answer.status)}")
    return name


def sweep(cluster: Cluster) -> None:
    """Remove the namespaces of runs that were killed. Names are never used again, so nobody waits for the end."""
    for name in cluster.kubectl("get", "namespaces", "-l", LABEL, "-o", "name").split():
        remove_namespace(cluster, name.removeprefix("namespace/"))


def remove_namespace(cluster: Cluster, name: str) -> None:
    """Delete a namespace, and free what the operator holds in it: it may not run any more."""
    resources = cluster.get(RESOURCES.format(name)) or {"items": []}
    for item in resources["items"]:
        if item["metadata"].get("finalizers"):
            path = f"{RESOURCES.format(name)}/{item['metadata']['name']}"
            cluster.request("PATCH", path, {"metadata": {"finalizers": None}})
    answer = cluster.request("DELETE", f"/api/v1/namespaces/{name}")
    if answer.status not in {200, 202, 404, 409}:
        raise CommandError(f"namespace {name} cannot be deleted: {answer.body.get('message', answer.status)}")
