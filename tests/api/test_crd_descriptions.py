"""What the definition says about its fields: what each is, its unit, its default. No cluster is needed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.api.schema import crd, everything, schema

Json = dict[str, Any]

NAMED = [(place, node) for place, node in everything() if not place.endswith(("[]", "}"))]


def required() -> set[str]:
    """Places that must be there, so that they need no default."""
    return {f"{place}.{name}" for place, node in everything() for name in node.get("required", ())} | {"spec"}


@pytest.mark.parametrize(("place", "node"), NAMED, ids=[place for place, _ in NAMED])
def test_every_field_says_what_it_is(place: str, node: Json) -> None:
    description = node.get("description", "")
    assert len(description) >= 10, "say what it is"
    assert description[-1] in ".]", "end with a full stop"
    assert description[0].isupper() or description.startswith("-1")


OPTIONAL = [(p, n) for p, n in NAMED if p.startswith("spec") and p not in required()]


@pytest.mark.parametrize(("place", "node"), OPTIONAL, ids=[place for place, _ in OPTIONAL])
def test_every_optional_field_says_its_default(place: str, node: Json) -> None:
    before, _, said = node["description"].rpartition("Default: ")
    assert before, "say what happens without it: Default: …"
    default = node.get("default")
    if isinstance(default, str | int) and default != "":
        assert said.startswith(str(default).lower() if isinstance(default, bool) else str(default))
    if default in ("", []):
        assert said == "none."


def test_every_duration_says_its_unit_and_what_zero_is() -> None:
    durations = []
    for place, node in NAMED:
        messages = [rule["message"] for rule in node.get("x-kubernetes-validations", ())]
        if any(message.startswith("write a duration") for message in messages):
            durations.append(place)
            assert re.search(r"\bas \d+[sm], ", node["description"]), f"{place}: give examples"
            zero_refused = any(message.startswith("0s would give") for message in messages)
            assert zero_refused != ("0s: " in node["description"]), f"{place}: say what 0s is, or refuse it"
    assert len(durations) == 8


def test_every_list_and_text_is_bounded() -> None:
    """Without bounds, the API server cannot tell what a rule costs, and a status cannot hold the specification."""
    bound = {"string": "maxLength", "array": "maxItems"}
    for place, node in everything():
        kind = node.get("type")
        if place.startswith("spec") and kind in bound and "enum" not in node:
            assert bound[kind] in node, place
        if place.startswith("spec") and isinstance(node.get("additionalProperties"), dict):
            assert "maxProperties" in node, place


def test_every_message_says_what_to_do() -> None:
    messages = {rule["message"] for _, node in everything() for rule in node.get("x-kubernetes-validations", ())}
    words = ("write", "name", "remove", "add", "choose", "leave out", "are two fields", "items of their own")
    for message in messages:
        assert any(word in message for word in words), message
        assert not message.endswith("."), message


def test_the_definition_keeps_its_promises_to_other_tools() -> None:
    assert crd()["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (version,) = crd()["spec"]["versions"]
    assert version["subresources"] == {"status": {}}
    assert schema()["properties"]["status"]["default"] == {}
    assert schema()["properties"]["status"]["properties"]["observedGeneration"]["default"] == -1
    assert crd()["spec"]["names"]["shortNames"] == ["dbmigrations", "dbmigration", "dbm"]
