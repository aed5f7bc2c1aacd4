"""Keys and certificates by openssl, with the extensions that strict verification (Python 3.13) asks for.

They outlive a crash and a new `create`, so that a kubeconfig that was handed out stays good; `delete` removes them.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .commands import run, succeeds

if TYPE_CHECKING:
    from pathlib import Path

    from .layout import Cluster

DAYS = 365
MONTH_SECONDS = 30 * 24 * 3600
COMPLETE = "complete"

CA_EXTENSIONS = """\
basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign,digitalSignature
subjectKeyIdentifier=hash
"""
LEAF_EXTENSIONS = """\
basicConstraints=critical,CA:FALSE
keyUsage=critical,digitalSignature
extendedKeyUsage={usage}
subjectKeyIdentifier=hash
authorityKeyIdentifier=keyid,issuer
"""


@dataclass(frozen=True)
class Identity:
    """Who a certificate is for: a Kubernetes user (common name) and group (organisation)."""

    file: str
    user: str
    group: str = ""
    usage: str = "clientAuth"
    names: tuple[str, ...] = ()


def identities(cluster: Cluster) -> tuple[Identity, ...]:
    """Everyone who needs a certificate in this cluster."""
    server_names = (
        *(f"DNS:kubernetes{suffix}" for suffix in ("", ".default", ".default.svc", ".default.svc.cluster.local")),
        *("DNS:localhost", f"DNS:{cluster.node}"),
        *("IP:127.0.0.1", f"IP:{cluster.node_address}", f"IP:{cluster.api_service_address}"),
    )
    node_names = (f"DNS:{cluster.node}", f"IP:{cluster.node_address}")
    return (
        Identity("apiserver", "kube-apiserver", usage="serverAuth", names=server_names),
        Identity("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters"),
        Identity("kubelet-server", f"system:node:{cluster.node}", "system:nodes", usage="serverAuth", names=node_names),
        Identity("kubelet", f"system:node:{cluster.node}", "system:nodes"),
        Identity("controller-manager", "system:kube-controller-manager"),
        Identity("scheduler", "system:kube-scheduler"),
        Identity("proxy", "system:kube-proxy"),
        Identity("admin", "kubernetes-admin", "system:masters"),
    )


def ensure(cluster: Cluster) -> None:
    """Make all keys of a cluster, unless they are there and good for another month."""
    folder = cluster.pki
    still_good: list[str | Path] = [
        "openssl",
        "x509",
        "-checkend",
        str(MONTH_SECONDS),
        "-noout",
        "-in",
        folder / "apiserver.crt",
    ]
    if (folder / COMPLETE).exists() and succeeds(still_good):
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    _make_authority(folder)
    _make_key(folder / "service-accounts.key")
    run(["openssl", "pkey", "-in", folder / "service-accounts.key", "-pubout", "-out", folder / "service-accounts.pub"])
    for identity in identities(cluster):
        _make_leaf(folder, identity)
    (folder / COMPLETE).touch()


def _make_authority(folder: Path) -> None:
    _make_key(folder / "ca.key")
    _sign_request(folder, "ca", "/CN=localkube", CA_EXTENSIONS, ["-signkey", folder / "ca.key"])


def _make_leaf(folder: Path, identity: Identity) -> None:
    _make_key(folder / f"{identity.file}.key")
    extensions = LEAF_EXTENSIONS.format(usage=identity.usage)
    if identity.names:
        extensions += f"subjectAltName={','.join(identity.names)}\n"
    organisation = f"/O={identity.group}" if identity.group else ""
    authority: list[str | Path] = ["-CA", folder / "ca.crt", "-CAkey", folder / "ca.key", "-CAcreateserial"]
    _sign_request(folder, identity.file, f"{organisation}/CN={identity.user}", extensions, authority)


def _make_key(path: Path) -> None:
    run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path])
    path.chmod(0o600)


def _sign_request(folder: Path, name: str, subject: str, extensions: str, signer: list[str | Path]) -> None:
    request, extension_file = folder / f"{name}.csr", folder / f"{name}.ext"
    extension_file.write_text(extensions)
    run(["openssl", "req", "-new", "-key", folder / f"{name}.key", "-subj", subject, "-out", request])
    run(
        ["openssl", "x509", "-req", "-in", request, *signer, "-days", str(DAYS), "-sha256", "-extfile", extension_file,
         "-out", folder / f"{name}.crt"]
    )  # fmt: skip
    request.unlink()
    extension_file.unlink()
