"""What runs in a new cluster: CoreDNS, and nothing else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from . import tools
from .commands import run

if TYPE_CHECKING:
    from .layout import Cluster

COREFILE = """\
.:53 {
    errors
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        ttl 5
    }
    cache 5
    reload
    loadbalance
}
"""
LABELS = {"k8s-app": "kube-dns"}
READ = ["list", "watch"]


def install(cluster: Cluster, dns_image: str) -> None:
    """Create the add-ons in an empty cluster."""
    manifests = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [*rights(), service(cluster.dns_address), config(), deployment(dns_image)],
    }
    kubectl = tools.ensure("kubectl")
    run(
        [kubectl, f"--kubeconfig={cluster.kubeconfig}", "create", "--validate=false", "-f", "-"],
        stdin=json.dumps(manifests),
    )


def _meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "kube-system", "labels": LABELS, **more}


def rights() -> list[dict[str, Any]]:
    """CoreDNS may watch what it answers for."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:coredns"}
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta("coredns")},
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": "system:coredns"},
            "rules": [
                {"apiGroups": [""], "resources": ["endpoints", "services", "pods", "namespaces"], "verbs": READ},
                {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
            ],
        },
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "system:coredns"},
            "roleRef": role,
            "subjects": [{"kind": "ServiceAccount", "name": "coredns", "namespace": "kube-system"}],
        },
    ]


def service(address: str) -> dict[str, Any]:
    """The address that the kubelet writes into each Pod's resolv.conf."""
    ports = [
        {"name": name, "port": 53, "protocol": protocol} for name, protocol in (("dns", "UDP"), ("dns-tcp", "TCP"))
    ]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _meta("kube-dns"),
        "spec": {"selector": LABELS, "clusterIP": address, "ports": ports},
    }


def config() -> dict[str, Any]:
    """Short cache times, as tests ask for a Service right after it was made; nothing outside can be reached anyway."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _meta("coredns"), "data": {"Corefile": COREFILE}}


def deployment(image: str) -> dict[str, Any]:
    """One CoreDNS, ready as soon as it has read the Services."""
    container = {
        "name": "coredns",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53, "protocol": "TCP"}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": 8181}, "periodSeconds": 1, "failureThreshold": 30},
        "resources": {"requests": {"cpu": "50m", "memory": "40Mi"}, "limits": {"memory": "170Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "config", "mountPath": "/etc/coredns", "readOnly": True}],
    }
    pod = {
        "serviceAccountName": "coredns",
        "dnsPolicy": "Default",
        "priorityClassName": "system-cluster-critical",
        "containers": [container],
        "volumes": [{"name": "config", "configMap": {"name": "coredns"}}],
        "tolerations": [{"operator": "Exists"}],
    }
    template = {"metadata": {"labels": LABELS}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _meta("coredns"),
        "spec": {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template},
    }
