"""What the machine must have, checked before anything is done; what Debian has is installed from here."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from .commands import SYSTEM_PATH, environment, run, run_logged
from .errors import CommandError, MachineError
from .progress import step
from .registry import locked
from .settings import cache_root

OLDEST_DEBIAN = 12
OLDEST_GO = (1, 24)

# Package → a file or program that shows that it is there. Asking dpkg would miss what was installed by other means.
NODE_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "nftables": "nft",
    "iptables": "iptables",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "socat": "socat",
    "openssl": "openssl",
}
IMAGE_PACKAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}


def require_root() -> None:
    if os.geteuid() != 0:
        raise MachineError(
            "a cluster without Docker needs root (network namespaces, mounts, cgroups)",
            now="run it as root, or start Docker",
        )


def require_debian() -> None:
    """Debian 12 or newer: containerd, runc and the CNI plugins of the versions that this was tried with."""
    release = _os_release()
    version = release.get("VERSION_ID", "0").split(".")[0]
    if release.get("ID") != "debian" or not version.isdigit() or int(version) < OLDEST_DEBIAN:
        raise MachineError(
            f"a cluster without Docker needs Debian {OLDEST_DEBIAN} or newer, and this is "
            f"{release.get('PRETTY_NAME', 'unknown')}",
            now="start Docker (kind is used then), or use a Debian machine",
        )


def require_go() -> str:
    """The path of a Go that can build the components."""
    go = shutil.which("go", path=environment()["PATH"]) or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise MachineError(
            f"Go {_dotted(OLDEST_GO)} or newer is needed, and none is on the PATH", now="install it: https://go.dev/dl"
        )
    text = run([go, "env", "GOVERSION"]).strip()
    match = re.match(r"go(\d+)\.(\d+)", text)
    # A development build calls itself `devel …`; whoever has one knows what it is.
    if match and (int(match[1]), int(match[2])) < OLDEST_GO:
        raise MachineError(
            f"Go {_dotted(OLDEST_GO)} or newer is needed, and {go} is {text}", now="install it: https://go.dev/dl"
        )
    return go


def ensure_packages(packages: dict[str, str]) -> None:
    """Install the Debian packages of which the sign is missing."""
    if not (missing := missing_packages(packages)):
        return
    require_root()
    require_debian()
    with locked(cache_root() / "locks" / "apt", "Debian packages"):
        if not (missing := missing_packages(packages)):
            return
        with step(f"installing Debian packages: {' '.join(missing)}"):
            _apt_install(missing)
    if missing := missing_packages(packages):
        raise MachineError(f"installed, yet not found: {' '.join(missing)}", now="look at `dpkg -L` of these packages")


def missing_packages(packages: dict[str, str]) -> list[str]:
    path = f"{environment()['PATH']}:{SYSTEM_PATH}"
    return [
        package
        for package, sign in packages.items()
        if not (Path(sign).exists() if sign.startswith("/") else shutil.which(sign, path=path))
    ]


def _apt_install(packages: list[str]) -> None:
    log = cache_root() / "logs" / "apt.log"
    env = environment(DEBIAN_FRONTEND="noninteractive")
    install = ["apt-get", "-o", "DPkg::Lock::Timeout=300", "install", "-y", "--no-install-recommends", *packages]
    now = "look at /etc/apt: can this machine reach its mirror?"
    try:
        run_logged(install, log, env=env)
    except CommandError:
        # The lists may be missing or old: fetch them and try once more.
        run_logged(["apt-get", "-o", "DPkg::Lock::Timeout=300", "update"], log, env=env, now=now)
        run_logged(install, log, env=env, now=now)


def _os_release() -> dict[str, str]:
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except FileNotFoundError:
        return {}
    pairs = (line.partition("=") for line in lines if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
