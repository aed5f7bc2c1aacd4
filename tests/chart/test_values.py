"""The chart's values: documented, bounded, and each of them has an effect."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from tests.chart.conftest import CHART, Helm, Rendered
from tests.chart.tools import ROOT

VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())

DIGEST = f"sha256:{'ab' * 32}"

# Something else than the default, for every value.
OTHER: dict[str, Any] = {
    "fullnameOverride": "carrier",
    "image.repository": "registry.example/operator",
    "image.tag": "1.2.3",
    "image.digest": DIGEST,
    "image.pullPolicy": "Always",
    "runner.image.repository": "registry.example/runner",
    "runner.image.tag": "1.2.3",
    "runner.image.digest": DIGEST,
    "runner.image.pullPolicy": "Never",
    "scratch.images.15": "registry.example/postgres:15",
    "scratch.images.16": "registry.example/postgres:16",
    "scratch.images.17": "registry.example/postgres:17",
    "scratch.images.18": "",
    "scratch.pullPolicy": "Never",
    "scratch.size": "5Gi",
    "imagePullSecrets": [{"name": "registry"}],
    "watch.namespaces": ["shop", "ledger"],
    "settings.logLevel": "debug",
    "settings.retryForSeconds": 17,
    "settings.configGraceSeconds": 18,
    "settings.stopTimeoutSeconds": 19,
    "settings.deleteTimeoutSeconds": 20,
    "settings.rehearsalSeconds": 120,
    "settings.workers": 21,
    "settings.httpPort": 9090,
    "crds.install": False,
    "userRoles.create": False,
    "serviceAccount.name": "carrier",
    "serviceAccount.annotations": {"example.org/role": "carrier"},
    "metrics.service.enabled": False,
    "metrics.service.port": 80,
    "metrics.service.annotations": {"example.org/scrape": "yes"},
    "resources": {"limits": {"memory": "1Gi"}},
    "podSecurityContext": {"runAsUser": 1234},
    "podAnnotations": {"example.org/note": "x"},
    "podLabels": {"example.org/team": "x"},
    "nodeSelector": {"example.org/pool": "x"},
    "tolerations": [{"key": "pool", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "important",
}

# The environment variable of every setting of the operator.
SETTINGS = {
    "settings.logLevel": "DBM_LOG_LEVEL",
    "settings.retryForSeconds": "DBM_RETRY_FOR_SECONDS",
    "settings.configGraceSeconds": "DBM_CONFIG_GRACE_SECONDS",
    "settings.stopTimeoutSeconds": "DBM_STOP_TIMEOUT_SECONDS",
    "settings.deleteTimeoutSeconds": "DBM_DELETE_TIMEOUT_SECONDS",
    "settings.rehearsalSeconds": "DBM_REHEARSAL_SECONDS",
    "settings.workers": "DBM_WORKERS",
    "settings.httpPort": "DBM_HTTP_PORT",
    "runner.image.pullPolicy": "DBM_RUNNER_PULL_POLICY",
    "scratch.pullPolicy": "DBM_SCRATCH_PULL_POLICY",
    "scratch.size": "DBM_SCRATCH_SIZE",
}

# What is set, and what Helm must say about it.
REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "a misspelt name": ({"watch.namespace": ["shop"]}, "additional properties 'namespace' not allowed"),
    "an unknown setting": ({"settings.retries": 3}, "additional properties 'retries' not allowed"),
    "a namespace that cannot exist": ({"watch.namespaces": ["Shop_1"]}, "/watch/namespaces/0"),
    "a namespace twice": ({"watch.namespaces": ["shop", "shop"]}, "items at 0 and 1 are equal"),
    "namespaces as text": ({"watch.namespaces": "shop,ledger"}, "got string, want array"),
    "an unknown log level": ({"settings.logLevel": "loud"}, "'debug', 'info', 'warning', 'error'"),
    "a negative time": ({"settings.retryForSeconds": -1}, "minimum: got -1, want 0"),
    "a time with a unit": ({"settings.retryForSeconds": "5m"}, "got string, want integer"),
    "a privileged port": ({"settings.httpPort": 80}, "minimum: got 80, want 1,024"),
    "a pull policy in the wrong case": ({"image.pullPolicy": "always"}, "'Always', 'IfNotPresent', 'Never'"),
    "an image without a repository": ({"image.repository": ""}, "/image/repository"),
    "a digest cut short": ({"runner.image.digest": "sha256:abc"}, "/runner/image/digest"),
    "a scratch image for no version": (
        {"scratch.images.latest": "postgres:17"},
        "additional properties 'latest' not allowed",
    ),
    "a disk without a unit": ({"scratch.size": "big"}, "/scratch/size"),
    "a pull secret as text": ({"imagePullSecrets": ["registry"]}, "got string, want object"),
    "more than one operator": ({"replicas": 2}, "additional properties 'replicas' not allowed"),
    "somebody else's nameless service account": (
        {"serviceAccount.create": False},
        "serviceAccount.name must name an existing service account",
    ),
}


def leaves(values: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Every value by its dotted name; an empty map and a list are values, and so are the resources."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{at}.{key}" if at else key
        if isinstance(value, dict) and value and name != "resources":
            found |= leaves(value, name)
        else:
            found[name] = value
    return found


def environment(rendered: Rendered) -> dict[str, str]:
    """The environment of the operator's container."""
    (container,) = rendered.one("Deployment")["spec"]["template"]["spec"]["containers"]
    return {item["name"]: item["value"] for item in container["env"]}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_bad_value_is_refused_with_its_name_and_what_is_allowed(helm: Helm, case: str) -> None:
    values, words = REFUSALS[case]
    answer = helm.template(values=values)
    assert answer.returncode != 0, f"accepted: {values}"
    assert words in answer.stderr


def test_every_value_is_covered_here() -> None:
    assert set(OTHER) | {"serviceAccount.create"} == set(leaves(VALUES))


@pytest.mark.parametrize("name", OTHER)
def test_every_value_has_an_effect(helm: Helm, default: Rendered, name: str) -> None:
    assert helm.render(values={name: OTHER[name]}) != default


def test_all_values_at_once_render(helm: Helm) -> None:
    # Each alone may pass where two of them collide.
    assert helm.render(values=OTHER).one("Deployment")["metadata"]["name"] == "carrier-operator"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_reaches_the_environment(helm: Helm, default: Rendered, name: str) -> None:
    assert environment(default)[SETTINGS[name]] == str(leaves(VALUES)[name])
    assert environment(helm.render(values={name: OTHER[name]}))[SETTINGS[name]] == str(OTHER[name])


def test_no_setting_is_forgotten() -> None:
    assert {name for name in leaves(VALUES) if name.startswith("settings.")} <= set(SETTINGS)


def test_images_and_namespaces_reach_the_environment(helm: Helm, default: Rendered) -> None:
    assert environment(default)["DBM_RUNNER_IMAGE"] == "dbmigrations/runner:dev"
    assert environment(default)["DBM_WATCH_NAMESPACES"] == ""
    values = {"runner.image.digest": DIGEST, "watch.namespaces": ["shop", "ledger"]}
    changed = environment(helm.render(values=values))
    assert changed["DBM_RUNNER_IMAGE"] == f"dbmigrations/runner@{DIGEST}"
    assert changed["DBM_WATCH_NAMESPACES"] == "shop,ledger"


def test_the_operator_reads_what_the_chart_sets(default: Rendered) -> None:
    source = ROOT / "operator" / "dbmigrations" / "controller" / "settings.py"
    if not source.exists():
        pytest.skip("the operator has no settings yet")
    assert set(re.findall(r"\bDBM_[A-Z_]+\b", source.read_text())) == set(environment(default))


def test_every_value_has_a_comment() -> None:
    lines = (CHART / "values.yaml").read_text().splitlines()
    for at, line in enumerate(lines):
        match = re.match(r"^( *)(\w+):( .+)$", line)
        if match and match[2] not in {"cpu", "memory"}:
            before = [earlier.strip() for earlier in lines[:at]]
            comment = next(
                (text for text in reversed(before) if not text.startswith("# ") or text.startswith("# --")), ""
            )
            assert comment.startswith("# --"), f"values.yaml:{at + 1}: {line.strip()} has no comment"


def test_the_schema_knows_exactly_the_values_and_describes_them() -> None:
    def compare(schema: dict[str, Any], values: dict[str, Any], at: str) -> None:
        assert schema.get("additionalProperties") is False, f"{at}: unknown names would pass"
        assert set(schema["properties"]) - {"global"} == set(values), at
        for name, inner in schema["properties"].items():
            assert inner.get("description"), f"{at}.{name} has no description"
            if "properties" in inner:
                compare(inner, values[name], f"{at}.{name}")

    compare(SCHEMA, VALUES, "values")
