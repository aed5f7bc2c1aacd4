"""Kubeconfigs: the components' own, and the user's, into which a cluster is merged and out of which it is taken."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import tools
from .commands import run, succeeds
from .registry import write_atomically

if TYPE_CHECKING:
    from .layout import Cluster

COMPONENTS = ("kubelet", "controller-manager", "scheduler", "proxy", "admin")


def write_all(cluster: Cluster) -> None:
    """One kubeconfig for each component, and the administrator's. JSON, which is YAML that needs no library."""
    for component in COMPONENTS:
        # Of the components none leaves the node; the administrator's is read on this machine: one address serves all.
        write_atomically(cluster.config / f"{component}.conf", content(cluster, component), mode=0o600)


def content(cluster: Cluster, identity: str) -> str:
    """A kubeconfig that holds its certificates itself, so that it may be copied anywhere on this machine."""
    name = cluster.context

    def embedded(file: str) -> str:
        return base64.b64encode((cluster.pki / file).read_bytes()).decode()

    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [
            {"name": name, "cluster": {"server": cluster.server, "certificate-authority-data": embedded("ca.crt")}},
        ],
        "users": [
            {
                "name": name,
                "user": {
                    "client-certificate-data": embedded(f"{identity}.crt"),
                    "client-key-data": embedded(f"{identity}.key"),
                },
            },
        ],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    return json.dumps(document, indent=2) + "\n"


def user_path(given: Path | None) -> Path:
    """Which file `create` and `delete` change: the one given, else the first of KUBECONFIG, else kubectl's default."""
    if given is not None:
        return given.absolute()
    first = os.environ.get("KUBECONFIG", "").split(":")[0]
    return Path(first).absolute() if first else Path.home() / ".kube" / "config"


def merge(cluster: Cluster, path: Path) -> None:
    """Add or replace the cluster in a kubeconfig, and make it the current context; other clusters stay."""
    if not path.exists() or path.stat().st_size == 0:
        write_atomically(path, cluster.kubeconfig.read_text(), mode=0o600)
        return
    name = cluster.context
    edit = [str(tools.ensure("kubectl")), "config", f"--kubeconfig={path}"]
    ca, cert, key = (cluster.pki / file for file in ("ca.crt", "admin.crt", "admin.key"))
    run([*edit, "set-cluster", name, f"--server={cluster.server}", f"--certificate-authority={ca}", "--embed-certs"])
    run([*edit, "set-credentials", name, f"--client-certificate={cert}", f"--client-key={key}", "--embed-certs"])
    run([*edit, "set-context", name, f"--cluster={name}", f"--user={name}"])
    run([*edit, "use-context", name])


def remove(context: str, path: Path) -> None:
    """Take a cluster out of a kubeconfig, as far as it is in it."""
    kubectl = tools.tool("kubectl").path
    if not path.exists() or path.stat().st_size == 0 or not kubectl.exists():
        return
    edit = [str(kubectl), "config", f"--kubeconfig={path}"]
    current = run([*edit, "view", "-o", "jsonpath={.current-context}"]).strip()
    for verb in ("delete-context", "delete-cluster", "delete-user"):
        succeeds([*edit, verb, context])
    if current == context:
        run([*edit, "unset", "current-context"])
