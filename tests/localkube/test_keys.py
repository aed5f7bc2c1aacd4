"""The certificates hold under strict verification, and outlive a new `create`."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

import pytest
from local_cluster import kubeconfig, pki
from local_cluster.layout import Cluster

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cluster(own_folders: Path) -> Cluster:
    cluster = Cluster("a", 5)
    cluster.folder.mkdir(parents=True)
    pki.ensure(cluster)
    return cluster


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """A TLS handshake in memory; returns the server's end."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [server.wrap_bio(up, down, server_side=True), client.wrap_bio(down, up, server_hostname=name)]
    pending = list(ends)
    for _ in range(10):
        for end in list(pending):
            try:
                end.do_handshake()
                pending.remove(end)
            except ssl.SSLWantReadError:
                continue
    assert not pending
    return ends[0]


def contexts(cluster: Cluster, server: str, client: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    made = []
    for purpose, identity in ((ssl.Purpose.CLIENT_AUTH, server), (ssl.Purpose.SERVER_AUTH, client)):
        context = ssl.create_default_context(purpose, cafile=str(cluster.pki / "ca.crt"))
        context.verify_flags |= ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_cert_chain(cluster.pki / f"{identity}.crt", cluster.pki / f"{identity}.key")
        made.append(context)
    return made[0], made[1]


@pytest.mark.parametrize("name", ["198.18.22.2", "198.19.20.1", "127.0.0.1", "kubernetes.default.svc", "localhost"])
def test_the_api_server_is_trusted_under_each_of_its_names(cluster: Cluster, name: str) -> None:
    shake_hands(*contexts(cluster, "apiserver", "admin"), name)


@pytest.mark.parametrize(
    ("identity", "user", "group"),
    [
        ("admin", "kubernetes-admin", "system:masters"),
        ("kubelet", "system:node:a-control-plane", "system:nodes"),
        ("scheduler", "system:kube-scheduler", None),
    ],
)
def test_a_client_is_who_it_should_be(cluster: Cluster, identity: str, user: str, group: str | None) -> None:
    end = shake_hands(*contexts(cluster, "apiserver", identity), "127.0.0.1")
    certificate = end.getpeercert()
    assert certificate is not None
    subject = dict(pair for part in certificate["subject"] for pair in part)
    assert (subject["commonName"], subject.get("organizationName")) == (user, group)


def test_a_clients_certificate_cannot_serve(cluster: Cluster) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(*contexts(cluster, "admin", "admin"), "127.0.0.1")


def test_keys_are_kept_so_that_a_kubeconfig_stays_good(cluster: Cluster) -> None:
    before = (cluster.pki / "ca.crt").read_bytes()
    pki.ensure(cluster)
    assert (cluster.pki / "ca.crt").read_bytes() == before


def test_keys_whose_making_was_interrupted_are_made_anew(cluster: Cluster) -> None:
    before = (cluster.pki / "ca.crt").read_bytes()
    (cluster.pki / pki.COMPLETE).unlink()
    (cluster.pki / "admin.crt").write_text("half")
    pki.ensure(cluster)
    assert (cluster.pki / "ca.crt").read_bytes() != before
    shake_hands(*contexts(cluster, "apiserver", "admin"), "127.0.0.1")


def test_keys_are_for_root_alone(cluster: Cluster) -> None:
    assert cluster.pki.stat().st_mode & 0o777 == 0o700
    assert {key.stat().st_mode & 0o777 for key in cluster.pki.glob("*.key")} == {0o600}


def test_a_kubeconfig_stands_on_its_own_and_an_empty_file_is_filled(cluster: Cluster, tmp_path: Path) -> None:
    """pytest-kind makes an empty file before it calls."""
    kubeconfig.write_all(cluster)
    target = tmp_path / "kubeconfig"
    target.touch()
    kubeconfig.merge(cluster, target)
    document = json.loads(target.read_text())
    assert document["current-context"] == "kind-a"
    assert document["clusters"][0]["cluster"]["server"] == "https://198.18.22.2:6443"
    assert str(cluster.folder) not in target.read_text()
    assert target.stat().st_mode & 0o777 == 0o600
