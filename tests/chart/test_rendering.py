"""What the chart renders: properties that matter, not pictures of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.chart.conftest import NAMESPACE, Helm, Json, Rendered

if TYPE_CHECKING:
    from pathlib import Path

CLUSTER_SCOPED = {"CustomResourceDefinition", "ClusterRole", "ClusterRoleBinding"}


@pytest.fixture(scope="module")
def pod(default: Rendered) -> Json:
    """The Pod template's spec."""
    spec: Json = default.one("Deployment")["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: Json) -> Json:
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


def test_there_is_one_operator_and_never_two_during_an_upgrade(default: Rendered) -> None:
    deployment = default.one("Deployment")
    assert deployment["metadata"]["name"] == "dbmigrations-operator"
    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}


def test_the_pod_satisfies_the_restricted_standard(pod: Json, container: Json) -> None:
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert [set(volume) - {"name"} for volume in pod["volumes"]] == [{"emptyDir"}]


def test_values_cannot_weaken_what_is_always_set(helm: Helm) -> None:
    weak = {"podSecurityContext": {"runAsNonRoot": False, "seccompProfile": {"type": "Unconfined"}, "fsGroup": 5}}
    spec = helm.render(values=weak).one("Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "fsGroup": 5}


def test_memory_is_bounded_and_leaves_room_above_the_idle_process(container: Json) -> None:
    assert container["resources"]["requests"]["memory"] == "128Mi"
    assert container["resources"]["limits"] == {"memory": "256Mi"}, "a CPU limit would only make a run slower"


def test_the_probes_ask_the_operators_own_port(container: Json) -> None:
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["ports"] == [{"name": "http", "containerPort": 8080}]


def test_the_service_leads_to_the_operator(default: Rendered) -> None:
    service, deployment = default.one("Service"), default.one("Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"] == [{"name": "http", "port": 8080, "targetPort": "http"}]


def test_the_selector_does_not_change_with_the_version(default: Rendered) -> None:
    # A selector is immutable: a version in it would make every upgrade fail.
    assert default.one("Deployment")["spec"]["selector"]["matchLabels"] == {
        "app.kubernetes.io/name": "dbmigrations",
        "app.kubernetes.io/instance": "dbmigrations",
        "app.kubernetes.io/component": "operator",
    }


def test_a_label_of_the_user_does_not_break_the_selector(helm: Helm) -> None:
    rendered = helm.render(values={"podLabels": {"team": "x"}})
    spec = rendered.one("Deployment")["spec"]
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()


def test_every_object_says_where_it_lives(default: Rendered) -> None:
    for item in default:
        expected = None if item["kind"] in CLUSTER_SCOPED else NAMESPACE
        assert item["metadata"].get("namespace") == expected, item["kind"]


def test_the_operator_runs_as_its_own_account_and_nobody_else_gets_the_token(default: Rendered, pod: Json) -> None:
    account = default.one("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == account["metadata"]["name"] == "dbmigrations-operator"
    assert pod["automountServiceAccountToken"] is True


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("dbmigrations", "dbmigrations-operator"),
        ("team", "team-dbmigrations-operator"),
        ("my-dbmigrations", "my-dbmigrations-operator"),
    ],
)
def test_names_follow_the_release(helm: Helm, release: str, name: str) -> None:
    assert helm.render(release=release).one("Deployment")["metadata"]["name"] == name


def test_the_longest_release_name_gives_valid_names(helm: Helm) -> None:
    for item in helm.render(release="r" * 53):
        name = item["metadata"]["name"]
        assert len(name) <= 63, name
        assert not name.endswith("-")


def test_the_notes_tell_the_next_command_and_warn_about_argo_cd(helm: Helm, tmp_path: Path) -> None:
    text = helm.notes(tmp_path)
    assert "kubectl -n dbmigrations-system rollout status deployment/dbmigrations-operator" in text
    assert "kubectl explain databasemigration.spec" in text
    assert "health script" in text
    assert "all namespaces" in text


def test_the_notes_name_the_watched_namespaces(helm: Helm, tmp_path: Path) -> None:
    values = {"watch.namespaces": ["shop", "ledger"], "crds.install": False, "userRoles.create": False}
    text = helm.notes(tmp_path, values)
    assert "shop, ledger" in text
    assert "crds.install=false" in text
    assert '"admin"' not in text
