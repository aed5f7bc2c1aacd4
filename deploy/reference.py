"""The field tables of docs/reference.md, from the definition of DatabaseMigration; used by generate.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

Json = dict[str, Any]

BEGIN = "<!-- fields: written by deploy/generate.py from crds/databasemigrations.yaml: change it there -->"
END = "<!-- fields: end -->"


class MarkersMissingError(ValueError):
    """The document has no place for the tables."""


def reference(document: str, definition: str) -> str:
    """Return the document with new tables between its two markers; raises MarkersMissingError where one is missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MarkersMissingError(f"docs/reference.md needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{tables(definition)}\n{END}{after}"


def tables(definition: str) -> str:
    """One table for each part of spec; its fields with type, default and meaning."""
    (version,) = yaml.safe_load(definition)["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    parts = []
    for name, node in spec["properties"].items():
        title = f"### spec.{name}" + (" (required)" if name in spec["required"] else "")
        rows = (
            list(_rows(node, name)) if "properties" in node or "items" in node else [_row(name, node, required=False)]
        )
        text = _meaning(node)[0] if len(rows) > 1 else ""
        lines = [title, "", text, ""] if text else [title, ""]
        parts.append("\n".join([*lines, "| field | type | default | meaning |", "|---|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def _rows(node: Json, at: str) -> Iterator[str]:
    inner = node.get("items", node)
    at = f"{at}[]" if "items" in node else at
    for name, field in inner.get("properties", {}).items():
        place = f"{at}.{name}"
        yield _row(place, field, required=name in inner.get("required", ()))
        yield from _rows(field, place)


def _row(place: str, field: Json, *, required: bool) -> str:
    meaning, default = _meaning(field)
    cells = [f"`{place}`", _type(field), "**required**" if required else default, meaning + _bounds(field)]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _meaning(field: Json) -> tuple[str, str]:
    """A description, cut into what comes before `Default:` and what comes after it."""
    before, _, default = field["description"].rpartition("Default: ")
    if not before:
        return field["description"], ""
    shown = f"`{field['default']}`" if isinstance(field.get("default"), str | int) and field["default"] != "" else ""
    more = default.rstrip(".").removeprefix(str(field.get("default", ""))).strip()
    return before.strip(), " ".join(part for part in (shown, more) if part)


def _type(field: Json) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{value}`" for value in field["enum"]).replace("\\|", "or")
    if "items" in field:
        return f"list of {_type(field['items'])}s"
    if "additionalProperties" in field:
        return "map"
    kind = str(field.get("type", "string or integer"))
    rules = field.get("x-kubernetes-validations", ())
    return "duration" if any(rule["message"].startswith("write a duration") for rule in rules) else kind


def _bounds(field: Json) -> str:
    found = []
    if "minimum" in field:
        found.append(f"{field['minimum']} to {field['maximum']}")
    if "maxItems" in field:
        found.append(f"at most {field['maxItems']} items")
    if field.get("x-kubernetes-list-type") in {"map", "set"}:
        keys = " and ".join(field.get("x-kubernetes-list-map-keys", ()))
        found.append(f"no {keys} twice" if keys else "none twice")
    return f" ({', '.join(found)})" if found else ""
