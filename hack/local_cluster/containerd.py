"""containerd: its configuration, and `ctr` for what the kubelet does not do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .commands import run
from .registry import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Cluster

CONFIG = """\
version = 2
root = "{root}"
state = "/run/localkube-containerd"
disabled_plugins = [
  "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing", "io.containerd.tracing.processor.v1.otlp",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{socket}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  # Without CAP_SYS_RESOURCE (inside of many sandboxes) every Pod would die with "can't get final child's PID".
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{cni}"
"""


def write_config(cluster: Cluster, cni: Path, sandbox_image: str) -> Path:
    """The path of the configuration, written."""
    path = cluster.config / "containerd.toml"
    text = CONFIG.format(root=cluster.containerd, socket=cluster.containerd_socket, cni=cni, sandbox=sandbox_image)
    write_atomically(path, text)
    return path


def ctr(cluster: Cluster, *args: str | Path) -> str:
    """Run ctr in the kubelet's image namespace and return what it says."""
    return run(["ctr", "--address", cluster.containerd_socket, "--namespace", "k8s.io", *args])
