"""Asking a cluster's API server, without a library."""

from __future__ import annotations

import http.client
import json
import ssl
from typing import Any

from .layout import API_PORT, Cluster


def get(cluster: Cluster, path: str, timeout: float = 2.0) -> Any:
    """The JSON (or text) at a path, or None if it is not there or nobody answers."""
    context = ssl.create_default_context(cafile=str(cluster.pki / "ca.crt"))
    context.load_cert_chain(cluster.pki / "admin.crt", cluster.pki / "admin.key")
    connection = http.client.HTTPSConnection(cluster.node_address, API_PORT, timeout=timeout, context=context)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
    if response.status != http.client.OK:
        return None
    return json.loads(body) if body[:1] in (b"{", b"[") else body.decode()


def healthy(cluster: Cluster) -> bool:
    """Whether the API server says that it is ready to serve."""
    return bool(get(cluster, "/readyz") == "ok")


def node_ready(cluster: Cluster) -> bool:
    """Whether the kubelet reports the node as Ready."""
    node = get(cluster, f"/api/v1/nodes/{cluster.node}")
    conditions = node.get("status", {}).get("conditions", []) if node else []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
