"""One question to the cluster's name server through its Service: answered only if kube-proxy, Pods and watches work."""

from __future__ import annotations

import os
import socket
import struct

NAME = "kubernetes.default.svc.cluster.local"
TYPE_A, CLASS_IN = 1, 1
RECURSION_DESIRED = 0x0100
NO_ERROR = 0


def answers(server: str, timeout: float = 0.5) -> bool:
    """Whether the name server at this address knows the API server's Service."""
    identity = os.urandom(2)
    question = b"".join(bytes([len(label)]) + label.encode() for label in NAME.split(".")) + b"\0"
    query = (
        identity + struct.pack(">5H", RECURSION_DESIRED, 1, 0, 0, 0) + question + struct.pack(">2H", TYPE_A, CLASS_IN)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout)
        try:
            client.sendto(query, (server, 53))
            reply = client.recv(512)
        except OSError:
            return False
    if len(reply) < 12 or reply[:2] != identity:
        return False
    flags, _, answer_count = struct.unpack(">3H", reply[2:8])
    return bool(flags & 0xF == NO_ERROR and answer_count > 0)
