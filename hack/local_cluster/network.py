"""The link between this machine and a node, and what Pods are connected by.

The node has a network namespace of its own, so kube-proxy's tables, the Pods' interfaces and every port live and die
with it. On this machine there is one interface for each cluster (its routes go with it), and one route that keeps the
whole range from leaving.
"""

from __future__ import annotations

import json
from pathlib import Path

from .commands import run, succeeds
from .layout import EVERYTHING, Cluster
from .registry import known, write_atomically

# A route that any other beats: it only catches what belongs to no cluster, or to one that died.
FENCE = ["unreachable", EVERYTHING, "metric", "4278198272"]
NODE_INTERFACE = "eth0"


def connect(cluster: Cluster, pid: int) -> None:
    """Lay the link into the namespace of the node's first process."""
    inside = ["nsenter", "-t", str(pid), "-n", "ip"]
    remove_link(cluster)
    run(["ip", "route", "replace", *FENCE])
    run(["ip", "link", "add", cluster.link, "type", "veth", "peer", "name", NODE_INTERFACE, "netns", str(pid)])
    run(["ip", "link", "set", cluster.link, "alias", str(cluster.folder)])
    run(["ip", "addr", "add", f"{cluster.host_address}/24", "dev", cluster.link])
    run(["ip", "link", "set", cluster.link, "up"])
    run([*inside, "link", "set", "lo", "up"])
    run([*inside, "addr", "add", f"{cluster.node_address}/24", "dev", NODE_INTERFACE])
    run([*inside, "link", "set", NODE_INTERFACE, "up"])
    # A Service's address must be routable before kube-proxy's rules are asked to change it.
    run([*inside, "route", "add", cluster.services, "dev", NODE_INTERFACE, "src", cluster.node_address])
    for target in (cluster.pods, cluster.services):
        run(["ip", "route", "add", target, "via", cluster.node_address, "dev", cluster.link])


def remove_link(cluster: Cluster) -> None:
    """Remove the interface of this cluster, and with it its routes."""
    if Path("/sys/class/net", cluster.link).exists() and not cluster.link_taken:
        run(["ip", "link", "delete", cluster.link])


def remove_fence_if_last(cluster: Cluster) -> None:
    """Remove the route that all clusters share when no other cluster is there."""
    others = [other for other in known() if other.name != cluster.name]
    interfaces = [entry.name for entry in Path("/sys/class/net").iterdir() if entry.name.startswith("localkube")]
    if not others and not interfaces:
        succeeds(["ip", "route", "delete", *FENCE])


def write_cni(cluster: Cluster) -> Path:
    """The CNI configuration's folder.

    Point-to-point links instead of a bridge: every packet between two Pods is routed, so that replies of a Service's
    Pod are changed back by the same rules, whether or not the kernel filters bridges (br_netfilter).
    """
    folder = cluster.config / "cni"
    network = {
        "cniVersion": "0.4.0",
        "name": "localkube",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "ipam": {
                    "type": "host-local",
                    "dataDir": str(cluster.folder / "cni" / "leases"),
                    "ranges": [[{"subnet": cluster.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }
    write_atomically(folder / "10-localkube.conflist", json.dumps(network, indent=2))
    return folder
