"""Every field refuses every other type: numbers and booleans that YAML makes of unquoted text above all."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.manifests import VALID, patched, try_to_create
from tests.api.schema import everything

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

pytestmark = pytest.mark.cluster

OTHERS = {
    "string": (5, True, {}, []),
    "integer": ("5", 1.5, True, {}),
    "boolean": ("true", 1, {}),
    "array": ({}, "a", 5),
    "object": ([], "a", 5),
}
TYPED = [(place, node["type"]) for place, node in everything() if "type" in node and place.startswith("spec")]


def holding(place: str, value: Any) -> Json:
    """Return a manifest that has the value at a place, in whatever it takes to get there."""
    steps = re.findall(r"[^.\[\]{}]+|\[\]|\{\}", place)
    for step in reversed(steps[1:]):
        value = [value] if step == "[]" else {"any": value} if step == "{}" else {step: value}
    return {**VALID, "spec": value}


@pytest.mark.parametrize(("place", "kind"), TYPED, ids=[place for place, _ in TYPED])
def test_another_type_is_refused_with_the_field_and_both_types(
    cluster: Cluster, space: str, place: str, kind: str
) -> None:
    field = place.replace("[]", "[0]").replace("{}", "any")
    for value in OTHERS[kind]:
        answer = try_to_create(cluster, space, holding(place, value))
        assert answer.status == 422, value
        words = [words for at, words in answer.problems if at == field]
        assert any(f'{field} in body must be of type {kind}: "' in said for said in words), (value, answer.problems)


def test_a_fraction_of_a_processor_is_text(cluster: Cluster, space: str) -> None:
    answer = try_to_create(cluster, space, patched({"migration.resources": {"limits": {"cpu": 1.5}}}))
    field = "spec.migration.resources.limits.cpu"
    assert (field, f'Invalid value: "number": {field} in body must be of type integer,string: "number"') in (
        answer.problems
    )
