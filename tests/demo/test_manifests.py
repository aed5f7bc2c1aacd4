"""The demonstration's manifests fit each other, the images and the history: a mistake shows without a cluster."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import make_url
from tests.demo.conftest import APP, ROOT

DEMO = ROOT / "deploy" / "demo"
FILES = sorted((DEMO / "manifests").glob("*.yaml"))
OBJECTS: list[dict[str, Any]] = [each for file in FILES for each in yaml.safe_load_all(file.read_text())]
MIGRATION = yaml.safe_load((DEMO / "migration.yaml").read_text())


def find(kind: str, name: str) -> dict[str, Any]:
    found = [each for each in OBJECTS if each["kind"] == kind and each["metadata"]["name"] == name]
    assert len(found) == 1, f"{kind} {name}: {len(found)} of them"
    return found[0]


def pods() -> list[Any]:
    return [
        pytest.param(each["spec"]["template"]["spec"], id=each["metadata"]["name"])
        for each in OBJECTS
        if "template" in each.get("spec", {})
    ]


def containers(pod: dict[str, Any]) -> list[dict[str, Any]]:
    return [*pod.get("initContainers", []), *pod["containers"]]


@pytest.mark.parametrize("pod", pods())
def test_pods_are_restricted_and_write_to_volumes_only(pod: dict[str, Any]) -> None:
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }  # fmt: skip
        assert container["imagePullPolicy"] == "IfNotPresent"


def test_every_image_is_one_that_is_built_and_loaded() -> None:
    built = set(re.findall(r"-t (dbmigrations/\S+)", (DEMO / "build-images").read_text()))
    loaded = set(re.findall(r"dbmigrations/demo-\S+:\S+\b", (DEMO / "run").read_text()))
    used = {c["image"] for pod in pods() for c in containers(pod.values[0])} | {MIGRATION["spec"]["migration"]["image"]}
    assert used <= built
    assert used == loaded


def test_the_namespace_enforces_the_restricted_standard_and_holds_everything() -> None:
    assert find("Namespace", "shop")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {each["metadata"]["namespace"] for each in [*OBJECTS, MIGRATION] if each["kind"] != "Namespace"} == {"shop"}


def test_the_url_names_the_service_and_the_role_that_the_server_is_told_to_make() -> None:
    url = make_url(find("Secret", "shop-database")["stringData"]["url"])
    server = find("StatefulSet", "postgres")["spec"]["template"]["spec"]["containers"][0]
    assert url.host == find("Service", "postgres")["metadata"]["name"]
    assert {"name": "APP_USER", "value": url.username} in server["env"]
    assert url.password == find("Secret", "postgres")["stringData"]["shop-password"]
    assert url.database == url.username


def test_the_migration_goes_to_the_head_of_the_newest_release() -> None:
    heads = ScriptDirectory.from_config(Config(APP / "alembic.ini")).get_heads()
    assert [MIGRATION["spec"]["migration"]["target"]] == heads


def test_the_migration_refers_to_what_is_there() -> None:
    spec = MIGRATION["spec"]
    source = find("Deployment", spec["migration"]["podFrom"]["name"])["spec"]["template"]["spec"]["containers"][0]
    assert spec["migration"]["connectionEnv"]["url"] in {each["name"] for each in source["env"]}
    assert [find(each["kind"], each["name"]) for each in spec["workloads"]]
    store = spec["backup"]["s3"]
    assert find("Secret", store["credentialsFrom"]["secretRef"]["name"])
    assert store["endpoint"] == f"http://s3.shop.svc:{find('Service', 's3')['spec']['ports'][0]['port']}"
    probe = spec["probe"]["http"]
    assert find("Service", probe["service"])["spec"]["ports"][0]["port"] == probe["port"]
