"""The programs that are built from Go modules: which, at which version, and where they lie once built.

Versions stand in hack/go.mod alone. A finished program lies at <cache>/tools/<name>/<version>/<name>; it is moved there
when it is complete, so that an interrupted build is never taken for a finished one.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from .commands import environment, run_logged
from .errors import NotFoundError
from .machine import require_go
from .progress import step
from .registry import locked
from .settings import HACK, cache_root

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES = "k8s.io/kubernetes"
# What `go build` must be told, because outside of their own repository the version is not known to these programs.
KUBERNETES_STAMPS = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
HELM_STAMP = "helm.sh/helm/v3/internal/version"

PACKAGES = {
    "kube-apiserver": f"{KUBERNETES}/cmd/kube-apiserver",
    "kube-controller-manager": f"{KUBERNETES}/cmd/kube-controller-manager",
    "kube-scheduler": f"{KUBERNETES}/cmd/kube-scheduler",
    "kubelet": f"{KUBERNETES}/cmd/kubelet",
    "kube-proxy": f"{KUBERNETES}/cmd/kube-proxy",
    "kubectl": f"{KUBERNETES}/cmd/kubectl",
    "etcd": "go.etcd.io/etcd/server/v3",
    "coredns": "github.com/coredns/coredns",
    "pause": "./images/pause",
    "helm": "helm.sh/helm/v3/cmd/helm",
    "versitygw": "github.com/versity/versitygw/cmd/versitygw",
    "toxiproxy-server": "github.com/Shopify/toxiproxy/v2/cmd/server",
}
NODE_TOOLS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl")


@dataclass(frozen=True)
class Tool:
    """One program at the version that go.mod names."""

    name: str
    package: str
    version: str

    @property
    def path(self) -> Path:
        return cache_root() / "tools" / self.name / self.version / self.name

    @property
    def ldflags(self) -> str:
        flags = ["-s", "-w"]
        if self.package.startswith(KUBERNETES):
            major, minor, *_ = self.version.removeprefix("v").split(".")
            for stamp in KUBERNETES_STAMPS:
                flags += [
                    f"-X {stamp}.gitVersion={self.version}",
                    f"-X {stamp}.gitMajor={major}",
                    f"-X {stamp}.gitMinor={minor}",
                ]
        if self.name == "helm":
            flags.append(f"-X {HELM_STAMP}.version={self.version}")
        return " ".join(flags)


def tool(name: str) -> Tool:
    """The tool of this name, built or not."""
    if name not in PACKAGES:
        raise NotFoundError(f"no tool {name!r}", now=f"known are: {', '.join(PACKAGES)}")
    return Tool(name, PACKAGES[name], version_of(PACKAGES[name]))


def ensure(name: str) -> Path:
    """The path of a tool, which is built now if it was not yet (half a minute to six, once)."""
    wanted = tool(name)
    if wanted.path.exists():
        return wanted.path
    with locked(cache_root() / "locks" / f"tool-{name}", f"building {name}"):
        if not wanted.path.exists():
            _build(wanted)
    return wanted.path


def ensure_all(names: tuple[str, ...]) -> None:
    for name in names:
        ensure(name)


def _build(wanted: Tool) -> None:
    go = require_go()
    wanted.path.parent.mkdir(parents=True, exist_ok=True)
    for stale in wanted.path.parent.glob("*.part"):
        stale.unlink()
    # The name is this process's own: a build that outlived its killed caller cannot write into it.
    part = wanted.path.with_name(f"{wanted.name}.{os.getpid()}.part")
    log = cache_root() / "logs" / f"build-{wanted.name}.log"
    with step(f"building {wanted.name} {wanted.version} (once, then cached)"):
        run_logged(
            [go, "build", "-mod=readonly", "-trimpath", "-ldflags", wanted.ldflags, "-o", part, wanted.package],
            log,
            cwd=HACK,
            env=environment(CGO_ENABLED="0", GOWORK="off"),
            dies_with_us=True,
            now="can this machine reach its Go module proxy (`go env GOPROXY`)?",
        )
        part.replace(wanted.path)


def version_of(package: str) -> str:
    """The version in go.mod of the module that holds a package; for a package of our own, a hash of its source."""
    if package.startswith("./"):
        sources = sorted((HACK / package).glob("*.go"))
        return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:12]
    required = _required_modules()
    holders = [module for module in required if package == module or package.startswith(f"{module}/")]
    if not holders:
        raise NotFoundError(f"hack/go.mod requires no module for {package}", now="go get -tool it in hack/")
    return required[max(holders, key=len)]


@cache
def _required_modules() -> dict[str, str]:
    text = (HACK / "go.mod").read_text()
    return dict(
        re.findall(r"^\t?(?:require )?([\w./~-]+\.[\w./~-]+) (v[\w.+-]+)(?: // indirect)?$", text, re.MULTILINE)
    )
