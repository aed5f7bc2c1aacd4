"""The health script for Argo CD: one example for each rule."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from tests.health.argo import ARGOCD, SCRIPT, Health, health
from tests.health.examples import EXAMPLES, NOT_STALLED, READY, migration
from tests.health.rules import deciding

WORDS = {"Healthy", "Progressing", "Degraded", "Suspended"}
KEY = "resource.customizations.health.dbmigrations.dev_DatabaseMigration"


@pytest.mark.parametrize("name", EXAMPLES)
def test_health_follows_the_first_rule_that_holds(name: str) -> None:
    obj, expected = EXAMPLES[name]
    assert health(obj) == expected


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_second_opinion_agrees(name: str) -> None:
    obj, expected = EXAMPLES[name]
    assert deciding(obj)[0] == expected.status


@pytest.mark.parametrize("status", [{}, {"observedGeneration": 2}, {"observedGeneration": 2, "conditions": []}, None])
def test_whatever_is_missing_the_answer_is_a_known_word_with_a_message(status: dict[str, Any] | None) -> None:
    found = health({"metadata": {"name": "shop", "generation": 2}, "status": status})
    assert found.status in WORDS
    assert found.message


def test_the_order_of_the_conditions_does_not_matter() -> None:
    stalled = EXAMPLES["stalled"][0]["status"]["conditions"]
    assert health(migration(*reversed(stalled))) == EXAMPLES["stalled"][1]


def test_a_condition_that_is_unknown_is_not_true() -> None:
    unknown = {**READY, "status": "Unknown"}
    assert health(migration(unknown, NOT_STALLED)) == Health("Progressing", READY["message"])


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_config_map_holds_the_same_script(name: str) -> None:
    manifest = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())
    assert list(manifest["data"]) == [KEY], "another key would overwrite a setting of the cluster"
    assert manifest["data"][KEY] == SCRIPT.read_text()
    obj, expected = EXAMPLES[name]
    assert health(obj, manifest["data"][KEY]) == expected
