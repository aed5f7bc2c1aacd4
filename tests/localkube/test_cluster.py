"""The project's own cluster for real: what runs in it, its death and new life, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from local_cluster import docker, registry, tools
from local_cluster.layout import EVERYTHING

from . import leftovers
from .stand_ins import localkube

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(docker.engine_answers(), reason="Docker runs here, so kind is the cluster"),
]

# Fixed names: what a test run that was killed left behind is found and removed by the next.
# Neither name is part of the other: traces are looked for by name.
NAME, OTHER = "localkube-test", "localkube-second"
IMAGE = "localkube-test/server:1"
RESTRICTED = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


@dataclass(frozen=True)
class Running:
    """A cluster that is up."""

    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: dict[str, Any] | None = None) -> str:
        """Run kubectl; fails the test with what it says."""
        command = [tools.ensure("kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments]
        text = json.dumps(stdin) if stdin is not None else None
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def run_to_end(self, name: str, *command: str, **pod: Any) -> str:
        """Run a Job to its completion and return its log."""
        container = {"name": "main", "image": IMAGE, "command": list(command), "securityContext": RESTRICTED}
        spec = {"restartPolicy": "Never", "containers": [container], **pod}
        job = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": spec}},
        }
        self.kubectl("create", "-f", "-", stdin=job)
        self.kubectl("wait", "--for=condition=Complete", "--timeout=60s", f"job/{name}")
        return self.kubectl("logs", f"job/{name}", "--container=main")


def create(name: str, kubeconfig: Path) -> None:
    """Create a cluster as pytest-kind does; how long that takes is measured elsewhere."""
    done = localkube("create", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}", timeout=1800)
    assert done.returncode == 0, done.stderr
    print(done.stderr)


def delete(name: str, kubeconfig: Path) -> None:
    done = localkube("delete", "cluster", f"--name={name}", f"--kubeconfig={kubeconfig}")
    assert done.returncode == 0, done.stderr


def clusters() -> list[str]:
    return localkube("get", "clusters").stdout.split()


def build_and_load() -> None:
    folder = Path(__file__).with_name("image")
    for command in (
        ["build", "-t", IMAGE, "--target", "server", folder],
        ["load", "docker-image", "--name", NAME, IMAGE],
    ):
        done = localkube(*command, timeout=600)
        assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """This machine's network before there is a cluster of this test."""
    for name in (NAME, OTHER):
        delete(name, tmp_path_factory.mktemp("none") / "kubeconfig")
    return leftovers.network()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, before: dict[str, list[str]]) -> Iterator[Running]:
    kubeconfig = tmp_path_factory.mktemp("cluster") / "kubeconfig"
    kubeconfig.touch()
    create(NAME, kubeconfig)
    build_and_load()
    yield Running(kubeconfig)
    delete(NAME, kubeconfig)
    assert leftovers.traces(NAME) == {}


@pytest.fixture
def service(cluster: Running) -> Iterator[str]:
    """A Deployment behind a Service; gives the Service's address."""
    probe = {"tcpSocket": {"port": 8080}, "periodSeconds": 1}
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web", "image": IMAGE, "readinessProbe": probe}]},
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template},
    }
    cluster.kubectl("create", "-f", "-", stdin=deployment)
    cluster.kubectl("expose", "deployment", "web", "--port=80", "--target-port=8080")
    cluster.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
    yield cluster.kubectl("get", "service", "web", "-o", "jsonpath={.spec.clusterIP}")
    cluster.kubectl("delete", "deployment,service", "web", "--wait")


def test_a_job_runs_and_its_log_can_be_read(cluster: Running) -> None:
    assert cluster.run_to_end("hello", "echo", "hello") == "hello\n"


def test_pods_find_services_by_name_and_reach_them(cluster: Running, service: str) -> None:
    ask = "exec 3<>/dev/tcp/web/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3; getent hosts web"
    answer, found = cluster.run_to_end("ask", "bash", "-c", ask).splitlines()
    assert answer == "hello"
    assert found.split() == [service, "web.default.svc.cluster.local"]


def test_a_pod_reaches_itself_through_its_service(cluster: Running, service: str) -> None:
    pod = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].metadata.name}")
    ask = f"exec 3<>/dev/tcp/{service}/80; printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3; tail -n 1 <&3"
    # By address, since a name is remembered for seconds; and a connection from before kube-proxy's rule hangs for ever.
    patiently = f'until timeout 3 bash -c "{ask}"; do [ $((n += 1)) -lt 20 ] || exit 1; done'
    cluster.kubectl("exec", pod, "--", "bash", "-c", patiently)
    assert {cluster.kubectl("exec", pod, "--", "bash", "-c", ask).strip() for _ in range(8)} == {"hello"}


def test_this_machine_reaches_services_and_pods(cluster: Running, service: str) -> None:
    pod = cluster.kubectl("get", "pods", "-l", "app=web", "-o", "jsonpath={.items[0].status.podIP}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for address in (f"http://{service}", f"http://{pod}:8080"):
        with opener.open(address, timeout=10) as answer:
            assert answer.read() == b"hello\n"


def test_pods_reach_the_api_server_by_its_service(cluster: Running) -> None:
    found = cluster.run_to_end("api", "bash", "-c", "exec 3<>/dev/tcp/kubernetes.default/443 && echo connected")
    assert found == "connected\n"


def test_a_native_sidecar_ends_after_the_main_container(cluster: Running) -> None:
    wait_for_end = "trap 'echo bye; exit 0' TERM; echo up; while :; do read -rt 1 <> <(:) || :; done"
    sidecar = {
        "name": "side",
        "image": IMAGE,
        "command": ["bash", "-c", wait_for_end],
        "restartPolicy": "Always",
        "securityContext": RESTRICTED,
    }
    assert cluster.run_to_end("sidecar", "echo", "main", initContainers=[sidecar]) == "main\n"
    assert cluster.kubectl("logs", "job/sidecar", "--container=side") == "up\nbye\n"


def test_restricted_pod_security_is_enforced(cluster: Running) -> None:
    cluster.kubectl("create", "namespace", "restricted")
    cluster.kubectl("label", "namespace", "restricted", "pod-security.kubernetes.io/enforce=restricted")
    container: dict[str, Any] = {"name": "main", "image": IMAGE, "command": ["id", "-u"]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": "restricted"},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        cluster.kubectl("create", "-f", "-", stdin=pod)
    container["securityContext"] = RESTRICTED
    cluster.kubectl("create", "-f", "-", stdin=pod)
    cluster.kubectl("wait", "-n", "restricted", "--for=jsonpath={.status.phase}=Succeeded", "pod/p", "--timeout=60s")
    assert cluster.kubectl("logs", "-n", "restricted", "p") == "65532\n"


def test_loading_the_same_image_again_does_nothing(cluster: Running) -> None:
    assert localkube("load", "docker-image", "--name", NAME, IMAGE).stderr == ""


def test_creating_a_cluster_that_is_up_is_an_error_as_with_kind(cluster: Running) -> None:
    done = localkube("create", "cluster", f"--name={NAME}", f"--kubeconfig={cluster.kubeconfig}")
    assert done.returncode == 1
    assert "already exist" in done.stderr
    assert NAME in clusters()


def test_a_component_that_dies_is_started_again(cluster: Running) -> None:
    first = json.loads((Path("/var/lib/dbmigrations-localkube") / NAME / "process.json").read_text())["pid"]
    for pid in leftovers.processes_of(NAME) - {first}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(AssertionError):
            assert cluster.run_to_end(f"after-{time.monotonic_ns()}", "echo", "back") == "back\n"
            return
    pytest.fail("no Job ran within a minute")


def test_after_the_death_of_all_processes_create_gives_a_ready_node_with_its_images(cluster: Running) -> None:
    for pid in leftovers.processes_of(NAME):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    while leftovers.processes_of(NAME):
        pass
    assert NAME not in clusters()
    create(NAME, cluster.kubeconfig)
    assert localkube("load", "docker-image", "--name", NAME, IMAGE).stderr == ""
    assert cluster.run_to_end("reborn", "echo", "hello") == "hello\n"


def test_two_clusters_run_at_once_and_one_ends_without_the_other(cluster: Running, tmp_path: Path) -> None:
    other = Running(tmp_path / "kubeconfig")
    try:
        create(OTHER, other.kubeconfig)
        assert {NAME, OTHER} <= set(clusters())
        addresses = {
            each.kubectl("get", "service", "kubernetes", "-o", "jsonpath={.spec.clusterIP}")
            for each in (cluster, other)
        }
        assert len(addresses) == 2
    finally:
        delete(OTHER, other.kubeconfig)
    assert leftovers.traces(OTHER) == {}
    assert OTHER not in other.kubeconfig.read_text()
    assert cluster.run_to_end("survivor", "echo", "hello") == "hello\n"


def test_delete_leaves_nothing_and_the_next_create_works_at_once(
    cluster: Running, before: dict[str, list[str]]
) -> None:
    delete(NAME, cluster.kubeconfig)
    assert leftovers.traces(NAME) == {}
    # Others may have made a cluster meanwhile: its interface is theirs, and so is the route that the last one removes.
    others = registry.known()
    words = [f"{other.link}{end}" for other in others for end in " @"] + ([EVERYTHING] if others else [])
    assert leftovers.new_in_network(before, words) == {}
    assert NAME not in clusters()
    create(NAME, cluster.kubeconfig)
