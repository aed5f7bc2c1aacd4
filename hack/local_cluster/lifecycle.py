"""Create and delete a cluster, step by step."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from . import addons, api, control_plane, dns, kubeconfig, namespace, network, node, node_images, pki, registry, tools
from .errors import AlreadyExistsError, LocalKubeError, NotReadyError
from .layout import Cluster, check_name
from .machine import NODE_PACKAGES, ensure_packages, require_debian, require_root
from .progress import say, step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEFAULT_WAIT_SECONDS = 180.0
LOOK_SECONDS = 0.05
SICK_AFTER_SECONDS = 15.0  # a busy machine may leave an API server without an answer for a while


def create(name: str, user_kubeconfig: Path | None, wait_seconds: float = DEFAULT_WAIT_SECONDS) -> Cluster:
    """Bring up a cluster to a Ready node with cluster DNS, or raise.

    What a killed one left is cleared first; its images are kept.
    """
    check_name(name)
    require_root()
    require_debian()
    began = time.monotonic()
    with registry.changing(name):
        _refuse_if_up(name)
        ensure_packages(NODE_PACKAGES)
        tools.ensure_all(tools.NODE_TOOLS)
        node_images.ensure()
        cluster = registry.claim(name)
        with step("clearing what was there, making keys and configuration", quick=True):
            clear(cluster)
            pki.ensure(cluster)
            kubeconfig.write_all(cluster)
            units = [*control_plane.units(cluster), *node.units(cluster, node_images.PAUSE.name)]
        try:
            namespace.start(cluster, units)
            _bring_up(cluster, time.monotonic() + wait_seconds)
        except BaseException:
            # Logs stay for whoever looks why; nothing half-made stays running.
            with suppress(LocalKubeError):
                namespace.stop(cluster)
            raise
        (cluster.folder / "ready").touch()
        kubeconfig.merge(cluster, kubeconfig.user_path(user_kubeconfig))
    say(f"Cluster {name} is ready ({time.monotonic() - began:.1f} s): {cluster.server}, context {cluster.context}")
    return cluster


def delete(name: str, user_kubeconfig: Path | None) -> bool:
    """End a cluster and remove everything that is its own; False if there was none."""
    check_name(name)
    require_root()
    with registry.changing(name):
        cluster = registry.find(name)
        if cluster is not None:
            with step(f"deleting the cluster {name}", quick=True):
                clear(cluster)
                shutil.rmtree(cluster.folder)
                network.remove_fence_if_last(cluster)
                if not registry.known():
                    namespace.remove_mount_points()
        kubeconfig.remove(f"kind-{name}", kubeconfig.user_path(user_kubeconfig))
    return cluster is not None


def clear(cluster: Cluster) -> None:
    """End the node and remove what a new start begins without. Images, keys and the last logs stay."""
    namespace.stop(cluster)
    for path in cluster.volatile:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    (cluster.folder / registry.PROCESS).unlink(missing_ok=True)
    previous = cluster.folder / "logs.previous"
    if cluster.logs.exists():
        shutil.rmtree(previous, ignore_errors=True)
        cluster.logs.rename(previous)
    cluster.logs.mkdir(parents=True)


def _refuse_if_up(name: str) -> None:
    cluster = registry.find(name)
    if cluster is None or not registry.is_up(cluster):
        return
    deadline = time.monotonic() + SICK_AFTER_SECONDS
    while time.monotonic() < deadline:
        if api.healthy(cluster):
            raise AlreadyExistsError(
                f"the node(s) of a cluster {name!r} already exist",
                now=f"use it, or hack/localkube delete cluster --name {name}",
            )
        time.sleep(LOOK_SECONDS)
    say(f"   the cluster {name} is there but does not answer: it is made anew")


def _bring_up(cluster: Cluster, deadline: float) -> None:
    with step("starting containerd, loading the node's images", quick=True):
        _wait(
            cluster.containerd_socket.is_socket, deadline, "containerd does not answer", cluster.logs / "containerd.log"
        )
        node_images.garbage(cluster)
        node_images.import_all(cluster)
    with step("starting the API server", quick=True):
        _wait(
            lambda: api.healthy(cluster), deadline, "the API server is not ready", cluster.logs / "kube-apiserver.log"
        )
        addons.install(cluster, node_images.COREDNS.name)
    with step("waiting for the node and for cluster DNS", quick=True):
        _wait(lambda: api.node_ready(cluster), deadline, "the node is not Ready", cluster.logs / "kubelet.log")
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        log = cluster.logs / "kube-controller-manager.log"
        _wait(lambda: api.get(cluster, account) is not None, deadline, "the default service account is not made", log)
        _wait(
            lambda: dns.answers(cluster.dns_address),
            deadline,
            "cluster DNS does not answer",
            cluster.logs / "kube-proxy.log",
        )


def _wait(condition: Callable[[], bool], deadline: float, otherwise: str, log: Path) -> None:
    while not condition():
        if time.monotonic() > deadline:
            raise NotReadyError(
                f"{otherwise} in the time that was given", now="give it more by --wait 5m, or look at", log=log
            )
        time.sleep(LOOK_SECONDS)
