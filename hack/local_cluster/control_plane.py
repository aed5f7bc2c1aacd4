"""etcd, API server, controller manager and scheduler: their command lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import tools
from .layout import API_PORT, Cluster
from .registry import write_atomically
from .settings import audit
from .supervisor import Unit

if TYPE_CHECKING:
    from pathlib import Path

ETCD = "http://127.0.0.1:2379"  # only processes of the node itself reach its loopback
API_LISTENS = f"tcp:127.0.0.1:{API_PORT}"
# The defaults are meant for large clusters; at 20 requests a second the controllers alone need 5 s to start.
FAST = ("--kube-api-qps=200", "--kube-api-burst=400")
API_IS_READY = (
    f"ready:127.0.0.1:{API_PORT}"  # earlier, the roles are missing: some components end, others wait for long
)

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""


def units(cluster: Cluster) -> list[Unit]:
    """The control plane's processes in the order of their start."""
    return [_etcd(cluster), _api_server(cluster), _controller_manager(cluster), _scheduler(cluster)]


def _unit(name: str, *flags: str, after: tuple[str, ...] = ()) -> Unit:
    return Unit(name, (str(tools.ensure(name)), *flags), after)


def _etcd(cluster: Cluster) -> Unit:
    return _unit(
        "etcd",
        f"--data-dir={cluster.folder / 'etcd'}",
        f"--listen-client-urls={ETCD}",
        f"--advertise-client-urls={ETCD}",
        "--listen-peer-urls=http://127.0.0.1:2380",
        "--unsafe-no-fsync",  # a crash begins with an empty cluster anyway
        "--logger=zap",
        "--log-level=warn",
    )


def _api_server(cluster: Cluster) -> Unit:
    pki = cluster.pki
    return _unit(
        "kube-apiserver",
        f"--advertise-address={cluster.node_address}",
        f"--secure-port={API_PORT}",
        f"--etcd-servers={ETCD}",
        f"--service-cluster-ip-range={cluster.services}",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={pki / 'service-accounts.pub'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--shutdown-delay-duration=0s",
        *_audit(cluster),
        after=("tcp:127.0.0.1:2379",),
    )


def _audit(cluster: Cluster) -> list[str]:
    if not audit():
        return []
    policy = cluster.config / "audit-policy.yaml"
    write_atomically(policy, AUDIT_POLICY)
    return [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log(cluster)}", "--audit-log-maxsize=1000"]


def audit_log(cluster: Cluster) -> Path:
    """Where the audit log of a cluster is, if it writes one."""
    return cluster.logs / "audit.log"


def _controller_manager(cluster: Cluster) -> Unit:
    pki, kubeconfig = cluster.pki, cluster.config / "controller-manager.conf"
    return _unit(
        "kube-controller-manager",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        *FAST,
        "--use-service-account-credentials",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--client-ca-file={pki / 'ca.crt'}",
        after=(API_IS_READY,),
    )


def _scheduler(cluster: Cluster) -> Unit:
    kubeconfig = cluster.config / "scheduler.conf"
    return _unit(
        "kube-scheduler",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--bind-address=127.0.0.1",
        "--leader-elect=false",
        *FAST,
        after=(API_IS_READY,),
    )
