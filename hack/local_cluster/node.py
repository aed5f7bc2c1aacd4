"""containerd, kubelet and kube-proxy: their configuration and command lines."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from . import containerd, network, tools
from .commands import SYSTEM_PATH
from .control_plane import API_IS_READY, API_LISTENS
from .registry import write_atomically
from .supervisor import Unit

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Cluster

MAX_PODS = 200


def units(cluster: Cluster, sandbox_image: str) -> list[Unit]:
    """The node's processes."""
    toml = containerd.write_config(cluster, network.write_cni(cluster), sandbox_image)
    program = shutil.which("containerd", path=SYSTEM_PATH) or "containerd"
    kubelet = (
        str(tools.ensure("kubelet")),
        f"--config={_kubelet_config(cluster)}",
        f"--kubeconfig={cluster.config / 'kubelet.conf'}",
        f"--node-ip={cluster.node_address}",
        f"--hostname-override={cluster.node}",
    )
    proxy = (
        str(tools.ensure("kube-proxy")),
        f"--config={_proxy_config(cluster)}",
        f"--hostname-override={cluster.node}",
    )
    return [
        Unit("containerd", (program, "--config", str(toml))),
        Unit("kubelet", kubelet, (API_LISTENS, f"unix:{cluster.containerd_socket}")),
        Unit("kube-proxy", proxy, (API_IS_READY,)),
    ]


def _kubelet_config(cluster: Cluster) -> Path:
    # The node's Pods get no name server but the cluster's: nothing outside of this machine is reachable from them.
    resolv = cluster.config / "resolv.conf"
    write_atomically(resolv, "")
    document = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": "0.0.0.0",  # noqa: S104 (of the node's own network namespace: logs and exec come through its address)
        "healthzBindAddress": "127.0.0.1",
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": str(cluster.pki / "ca.crt")}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(cluster.pki / "kubelet-server.crt"),
        "tlsPrivateKeyFile": str(cluster.pki / "kubelet-server.key"),
        "containerRuntimeEndpoint": f"unix://{cluster.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cluster.cgroup,
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "clusterDNS": [cluster.dns_address],
        "clusterDomain": "cluster.local",
        "resolvConf": str(resolv),
        "maxPods": MAX_PODS,
        # A full disk of the machine must not evict Pods or delete images that nobody could fetch again.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "0%",
            "nodefs.inodesFree": "0%",
            "imagefs.available": "0%",
        },
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "shutdownGracePeriod": "0s",
        # The defaults are a minute: what mounts a changed ConfigMap or Secret would wait that long.
        "syncFrequency": "10s",
        "fileCheckFrequency": "20s",
    }
    path = cluster.config / "kubelet.json"
    write_atomically(path, json.dumps(document, indent=2))
    return path


def _proxy_config(cluster: Cluster) -> Path:
    document = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(cluster.config / "proxy.conf")},
        "clusterCIDR": cluster.pods,
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "nftables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
    }
    path = cluster.config / "kube-proxy.json"
    write_atomically(path, json.dumps(document, indent=2))
    return path
