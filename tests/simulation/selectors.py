"""Label and field selectors, as far as the operator uses them. An unknown form is an error, never a silent match."""

from __future__ import annotations

import re
from typing import Any

Json = dict[str, Any]


def matches_labels(found: Json, selector: str) -> bool:
    """Tell whether an object's labels match."""
    labels = found["metadata"].get("labels", {})
    return all(_matches(labels, part) for part in re.split(r",(?![^(]*\))", selector) if part)


def _matches(labels: Json, part: str) -> bool:
    if match := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", part):
        key, form, values = match.groups()
        inside = labels.get(key) in values.split(",")
        return inside if form == "in" else not inside
    if match := re.fullmatch(r"([^=!\s]+)=([^=\s]*)", part):
        return bool(labels.get(match[1]) == match[2])
    if match := re.fullmatch(r"(!?)([^=!\s]+)", part):
        return (match[2] in labels) != bool(match[1])
    raise ValueError(f"not a label selector: {part!r}")


def matches_fields(found: Json, selector: str) -> bool:
    """Tell whether an object's fields match."""
    for part in selector.split(",") if selector else []:
        path, _, wanted = part.partition("=")
        value: Any = found
        for key in path.split("."):
            value = value.get(key, {}) if isinstance(value, dict) else {}
        if value != wanted:
            return False
    return True
