"""Clusters have names, slots and addresses of their own, and a dead one is told from a living one."""

from __future__ import annotations

import ipaddress
import subprocess
from typing import TYPE_CHECKING

import pytest
from local_cluster import registry
from local_cluster.errors import LocalKubeError, NotFoundError
from local_cluster.layout import EVERYTHING, SLOTS, Cluster, check_name
from local_cluster.processes import Process

from .stand_ins import localkube

if TYPE_CHECKING:
    from pathlib import Path

UNIX_SOCKET_PATH_BYTES = 107


def networks(cluster: Cluster) -> list[ipaddress.IPv4Network]:
    link = ipaddress.IPv4Network(f"{cluster.node_address}/24", strict=False)
    return [ipaddress.IPv4Network(cluster.pods), ipaddress.IPv4Network(cluster.services), link]


def test_no_two_slots_share_an_address_and_none_leaves_the_range() -> None:
    everything = ipaddress.IPv4Network(EVERYTHING)
    used = [network for slot in range(SLOTS) for network in networks(Cluster("x", slot))]
    assert all(network.subnet_of(everything) for network in used)
    assert len(list(ipaddress.collapse_addresses(used))) < len(used)  # neighbours join …
    assert sum(network.num_addresses for network in used) == sum(
        network.num_addresses for network in ipaddress.collapse_addresses(used)
    )  # … and nothing is counted twice


def test_a_services_first_addresses_lie_in_its_range() -> None:
    cluster = Cluster("x", 63)
    services = ipaddress.IPv4Network(cluster.services)
    assert ipaddress.IPv4Address(cluster.api_service_address) == services[1]
    assert ipaddress.IPv4Address(cluster.dns_address) == services[10]


def test_the_longest_name_fits_socket_paths_and_host_names() -> None:
    cluster = Cluster(check_name("a" * 40), 0)
    assert len(str(cluster.containerd_socket).encode()) <= UNIX_SOCKET_PATH_BYTES
    assert len(cluster.node) <= 63


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a/b", "..", "a" * 41])
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(LocalKubeError, match="cannot name a cluster"):
        check_name(name)


def test_each_cluster_takes_the_first_free_slot_and_keeps_it(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "link_taken", False)
    assert [registry.claim(name).slot for name in ("a", "b", "a", "c")] == [0, 1, 0, 2]
    (registry.claim("b").folder / registry.RECORD).unlink()
    assert registry.claim("d").slot == 1


def test_a_slot_whose_interface_is_somebody_elses_is_passed_over(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "link_taken", property(lambda cluster: cluster.slot < 3))
    assert registry.claim("a").slot == 3


def test_only_a_finished_cluster_whose_first_process_lives_is_listed(
    own_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Cluster, "link_taken", False)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as living:
        for name in ("finished", "unfinished"):
            registry.record_process(registry.claim(name), Process.of(living.pid))
        (registry.claim("finished").folder / "ready").touch()
        assert localkube("get", "clusters", LOCALKUBE_ENGINE="own").stdout == "finished\n"
        living.kill()
    assert localkube("get", "clusters", LOCALKUBE_ENGINE="own").stdout == ""


def test_asking_for_a_cluster_that_is_not_up_says_how_to_make_it(own_folders: Path) -> None:
    with pytest.raises(NotFoundError) as error:
        registry.running("demo")
    assert str(error.value) == "no cluster 'demo' is up (up are: none); hack/localkube create cluster --name demo"


def test_a_broken_record_is_told_and_not_guessed(own_folders: Path) -> None:
    (own_folders / "a").mkdir(parents=True)
    (own_folders / "a" / registry.RECORD).write_text("{")
    with pytest.raises(LocalKubeError, match="cannot be read"):
        registry.find("a")
