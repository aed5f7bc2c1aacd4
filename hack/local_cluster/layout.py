"""A cluster's names, addresses and folders, all worked out from its name and its slot.

Every cluster takes a slot n (0 … 63) and with it a part of 198.18.0.0/15, which RFC 2544 keeps out of the real world:

    Pods      198.18.{4n}.0/23        link to this machine   198.18.{4n+2}.0/24  (.1 this machine, .2 the node)
    Services  198.19.{4n}.0/22        cluster DNS            198.19.{4n}.10
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from .errors import LocalKubeError
from .settings import state_root

SLOTS = 64
EVERYTHING = "198.18.0.0/15"
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
API_PORT = 6443


def check_name(name: str) -> str:
    """The name itself, if it can be a part of host names and of socket paths (108 bytes at most)."""
    if not NAME.fullmatch(name):
        raise LocalKubeError(
            f"{name!r} cannot name a cluster", now="use up to 40 small letters, digits and dashes, no dash at the ends"
        )
    return name


@dataclass(frozen=True)
class Cluster:
    """One cluster of this machine."""

    name: str
    slot: int

    @property
    def folder(self) -> Path:
        """Everything that this cluster keeps; gone after `delete`."""
        return state_root() / self.name

    @property
    def node(self) -> str:
        """The node's name, as kind forms it."""
        return f"{self.name}-control-plane"

    @property
    def context(self) -> str:
        """The name of context, cluster and user in a kubeconfig, as kind forms it."""
        return f"kind-{self.name}"

    @property
    def link(self) -> str:
        """The network interface on this machine's side."""
        return f"localkube{self.slot}"

    @property
    def link_taken(self) -> bool:
        """Whether an interface of this name belongs to somebody else (another state folder of this machine)."""
        try:
            alias = Path("/sys/class/net", self.link, "ifalias").read_text().strip()
            # Without an alias it is what a killed `create` left between two commands.
            return alias not in ("", str(self.folder))
        except FileNotFoundError:
            return False

    @property
    def host_address(self) -> str:
        return f"198.18.{4 * self.slot + 2}.1"

    @property
    def node_address(self) -> str:
        return f"198.18.{4 * self.slot + 2}.2"

    @property
    def pods(self) -> str:
        return f"198.18.{4 * self.slot}.0/23"

    @property
    def services(self) -> str:
        return f"198.19.{4 * self.slot}.0/22"

    @property
    def api_service_address(self) -> str:
        return f"198.19.{4 * self.slot}.1"

    @property
    def dns_address(self) -> str:
        return f"198.19.{4 * self.slot}.10"

    @property
    def server(self) -> str:
        """The API server as seen from this machine."""
        return f"https://{self.node_address}:{API_PORT}"

    @property
    def pki(self) -> Path:
        return self.folder / "pki"

    @property
    def config(self) -> Path:
        """Configuration files of the components."""
        return self.folder / "config"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's."""
        return self.config / "admin.conf"

    @property
    def containerd(self) -> Path:
        """Images: the one folder that outlives a crash and a new `create`."""
        return self.folder / "containerd"

    @property
    def containerd_socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def loading(self) -> Path:
        """Images on their way in."""
        return self.folder / "loading"

    @property
    def volatile(self) -> tuple[Path, ...]:
        """What a new start begins without."""
        return tuple(
            self.folder / name
            for name in (
                "etcd",
                "kubelet",
                "cni",
                "pods",
                "loading",
                "ready",
                "containerd.sock",
                "containerd.sock.ttrpc",
            )
        )

    @property
    def cgroup(self) -> str:
        """Below the root of each cgroup hierarchy."""
        return f"/dbmigrations-localkube/{self.name}"
