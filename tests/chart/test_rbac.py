"""The operator's rights: the least that it needs, the same in both flavours, and none on Secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tests.chart.conftest import NAMESPACE, Helm, Json, Rendered

GOLDEN = Path(__file__).with_name("golden") / "operator-rules.yaml"
SUBJECT = {"kind": "ServiceAccount", "name": "dbmigrations-operator", "namespace": NAMESPACE}


@pytest.fixture(scope="module")
def namespaced(helm: Helm) -> Rendered:
    return helm.render(values={"watch.namespaces": ["shop", "ledger"]})


def named(items: list[Json], name: str) -> Json:
    """The only item of that name."""
    (item,) = [item for item in items if item["metadata"]["name"] == name]
    return item


def flat(rules: list[Json]) -> set[tuple[str, str, str]]:
    """Rules as triples of group, resource and verb."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def operator_rules(rendered: Rendered) -> list[list[Json]]:
    """The rules of every role that is bound to the operator."""
    roles = {(item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"]): item for item in rendered}
    found = []
    for binding in rendered.of("ClusterRoleBinding") + rendered.of("RoleBinding"):
        assert binding["subjects"] == [SUBJECT]
        where = binding["metadata"].get("namespace") if binding["roleRef"]["kind"] == "Role" else None
        found.append(roles[binding["roleRef"]["kind"], where, binding["roleRef"]["name"]]["rules"])
    return found


def test_the_rules_are_the_reviewed_ones(default: Rendered) -> None:
    """A change here is a change of what the operator may do: change the golden file only with a reason."""
    assert operator_rules(default) == [yaml.safe_load(GOLDEN.read_text())]


def test_the_namespaced_flavour_has_the_same_rules_in_each_namespace_and_none_outside(namespaced: Rendered) -> None:
    assert operator_rules(namespaced) == [yaml.safe_load(GOLDEN.read_text())] * 2
    assert {item["metadata"]["namespace"] for item in namespaced.of("Role")} == {"shop", "ledger"}
    assert {item["metadata"]["namespace"] for item in namespaced.of("RoleBinding")} == {"shop", "ledger"}
    assert namespaced.of("ClusterRoleBinding") == []
    assert {item["metadata"]["name"] for item in namespaced.of("ClusterRole")} == {
        "dbmigrations-view",
        "dbmigrations-admin",
    }


def test_the_cluster_wide_flavour_has_no_roles_in_namespaces(default: Rendered) -> None:
    assert default.of("Role") == default.of("RoleBinding") == []


def test_nothing_grants_secrets_or_everything(default: Rendered, namespaced: Rendered) -> None:
    for rendered in (default, namespaced):
        for role in rendered.of("ClusterRole") + rendered.of("Role"):
            for group, resource, verb in flat(role["rules"]):
                assert "*" not in (group, resource, verb), role["metadata"]["name"]
                assert resource not in {
                    "secrets",
                    "serviceaccounts/token",
                    "pods/exec",
                    "roles",
                    "clusterroles",
                }
                assert verb not in {"escalate", "bind", "impersonate"}


def test_the_operator_may_not_create_or_delete_migrations(default: Rendered) -> None:
    (rules,) = operator_rules(default)
    verbs = {
        verb for group, resource, verb in flat(rules) if (group, resource) == ("dbmigrations.dev", "databasemigrations")
    }
    assert verbs == {"get", "list", "watch", "patch"}


def test_viewers_read_and_only_admins_write(default: Rendered) -> None:
    roles = default.of("ClusterRole")
    view, admin = named(roles, "dbmigrations-view"), named(roles, "dbmigrations-admin")
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {key for key in view["metadata"]["labels"] if key.startswith(prefix)} == {f"{prefix}view"}
    assert {key for key in admin["metadata"]["labels"] if key.startswith(prefix)} == {f"{prefix}admin"}
    assert {verb for _, _, verb in flat(view["rules"])} == {"get", "list", "watch"}
    assert {"create", "update", "patch", "delete"} <= {verb for _, _, verb in flat(admin["rules"])}
    # The status is the operator's alone: a person who could write it could make a failed migration look done.
    assert all(resource == "databasemigrations" for _, resource, _ in flat(admin["rules"]))


def test_user_roles_can_be_left_out(helm: Helm) -> None:
    assert [item["metadata"]["name"] for item in helm.render(values={"userRoles.create": False}).of("ClusterRole")] == [
        "dbmigrations-operator"
    ]
