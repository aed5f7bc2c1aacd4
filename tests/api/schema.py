"""The rules of the definition, read from its file, and the rule that an answer of the API server speaks of.

A rule is a place and a kind: ("spec.migration.target", "maxLength"). Items of a list are `[]`, values of a map `{}`; a
rule in CEL has its message as kind.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from tests.cluster.cluster import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]
Rule = tuple[str, str]

CRD_FILE = ROOT / "crds" / "databasemigrations.yaml"

BOUNDS = ("enum", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties", "pattern")
NOT_RULES = {
    "type", "properties", "items", "additionalProperties", "description", "default", "anyOf", "required", "format",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-int-or-string", "x-kubernetes-validations",
}  # fmt: skip
"""Keywords that refuse nothing, and those that `rules` reads in a way of their own."""

# How the API server words the refusal of each kind.
WORDS = (
    (r"^Required value", "required"),
    (r"^Duplicate value", "x-kubernetes-list-type"),
    (r"^Unsupported value", "enum"),
    (r"^Too long: ", "maxLength"),
    (r"should be at least \d+ chars long", "minLength"),
    (r"should be greater than or equal to", "minimum"),
    (r"should be less than or equal to", "maximum"),
    (r"should have at least \d+ items", "minItems"),
    (r"^Too many: ", "maxItems"),
    (r"must be of type date-time", "format"),
    (r"must be of type ", "type"),
)


@cache
def crd() -> Json:
    """The definition, as its file has it."""
    found: Json = yaml.safe_load(CRD_FILE.read_text())
    return found


def schema() -> Json:
    """The schema of the whole resource."""
    (version,) = crd()["spec"]["versions"]
    found: Json = version["schema"]["openAPIV3Schema"]
    return found


def spec_schema() -> Json:
    """The schema of spec."""
    found: Json = schema()["properties"]["spec"]
    return found


def fields(node: Json, at: str) -> Iterator[tuple[str, Json]]:
    """Every place with its schema, the given one first."""
    yield at, node
    for name, inner in node.get("properties", {}).items():
        yield from fields(inner, f"{at}.{name}")
    if "items" in node:
        yield from fields(node["items"], f"{at}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from fields(node["additionalProperties"], f"{at}.{{}}")


@cache
def everything() -> list[tuple[str, Json]]:
    """Every place of spec and status."""
    parts = schema()["properties"]
    return [*fields(parts["spec"], "spec"), *fields(parts["status"], "status")]


@cache
def rules() -> set[Rule]:
    """Every rule that can refuse a manifest, but for types."""
    found: set[Rule] = {("spec", "required")}
    for place, node in everything():
        found |= {(place, kind) for kind in BOUNDS if kind in node}
        found |= {(f"{place}.{name}", "required") for name in node.get("required", ())}
        if node.get("x-kubernetes-list-type", "atomic") != "atomic":
            found.add((place, "x-kubernetes-list-type"))
        if node.get("format") == "date-time":
            found.add((place, "format"))
        for rule in node.get("x-kubernetes-validations", ()):
            found.add((place + rule.get("fieldPath", ""), rule["message"]))
    return found


def rule_of(field: str, message: str) -> Rule:
    """Return the rule that a refusal speaks of."""
    place = place_of(field)
    words = re.sub(r"^(Required value|Forbidden): ", "", message)
    if (place, words) in rules():
        return place, words
    for pattern, kind in WORDS:
        if re.search(pattern, message):
            return _as_told(place, kind)
    raise LookupError(f"no rule says {message!r} of {field}")


def _as_told(place: str, kind: str) -> Rule:
    if kind == "x-kubernetes-list-type":
        return place.removesuffix("[]"), kind  # told of the item, while the rule stands at the list
    if kind == "maxItems" and (place, "maxProperties") in rules():
        return place, "maxProperties"  # told in the same words
    return place, kind


def place_of(field: str) -> str:
    """Return the place in the schema that the field of an answer is at: `spec.a[3].b` is at `spec.a[].b`."""
    text = re.sub(r"\[\d+\]", "[]", field)
    for place, node in everything():
        if isinstance(node.get("additionalProperties"), dict) and re.match(rf"{re.escape(place)}[.\[]", text):
            return f"{place}.{{}}"
    return text
