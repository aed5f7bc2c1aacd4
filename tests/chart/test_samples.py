"""The samples: together they show every field that the CRD has, and none that it has not."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.chart.tools import ROOT

SAMPLES = ROOT / "deploy" / "samples"
NAMES = ("minimal", "full", "online")
KUBERNETES_OWN = tuple(
    f"spec.migration.{name}" for name in ("env[].", "envFrom[].", "resources.", "tolerations[].", "imagePullSecrets[].")
)
"""What lies within is known from every Pod template: a sample need not show all of it."""

Json = dict[str, Any]


def schema() -> Json:
    """The schema of spec."""
    crd = yaml.safe_load((ROOT / "crds" / "databasemigrations.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    spec: Json = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return spec


def sample(name: str) -> Json:
    """The manifest of a sample."""
    manifest: Json = yaml.safe_load((SAMPLES / f"{name}.yaml").read_text())
    return manifest


def fields_of(node: Json, at: str = "spec") -> set[str]:
    """Every field that a schema names, as dotted paths; items of a list as []."""
    found = set()
    for name, inner in node.get("properties", {}).items():
        found |= {f"{at}.{name}"} | fields_of(inner, f"{at}.{name}")
    if "items" in node:
        found |= fields_of(node["items"], f"{at}[]")
    return found


def fields_in(value: Any, node: Json, at: str = "spec") -> set[str]:
    """Every field that a manifest uses; what the schema leaves open is not looked into."""
    found = set()
    if isinstance(value, list):
        for item in value:
            found |= fields_in(item, node.get("items", {}), f"{at}[]")
    elif isinstance(value, dict):
        known = node.get("properties", {})
        free = node.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in node
        for name, inner in value.items():
            if name in known or not free:
                found |= {f"{at}.{name}"} | fields_in(inner, known.get(name, {}), f"{at}.{name}")
    return found


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_uses_only_fields_that_exist(name: str) -> None:
    assert fields_in(sample(name)["spec"], schema()) - fields_of(schema()) == set()


def test_the_samples_show_every_field() -> None:
    full = fields_in(sample("full")["spec"], schema())
    online = fields_in(sample("online")["spec"], schema())
    missing = {field for field in fields_of(schema()) - full - online if not field.startswith(KUBERNETES_OWN)}
    assert not missing, "add them to full.yaml, or, where they exclude what is there, to online.yaml"
    only_online = fields_of(schema()) - full
    exclusive = ("spec.migration.connectionEnv.", "spec.backup.s3.caFrom.", *KUBERNETES_OWN)
    assert all(field.startswith(exclusive) for field in only_online), f"full.yaml lacks {only_online}"


def test_no_sample_is_forgotten_here() -> None:
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == set(NAMES)


def test_the_minimal_sample_leaves_everything_else_to_its_defaults() -> None:
    assert set(sample("minimal")["spec"]) == {"migration", "workloads", "backup", "probe"}
    assert set(sample("minimal")["spec"]["migration"]) == {"podFrom", "image", "connectionEnv"}
