"""Patches as the API server applies them: merge for custom resources, strategic merge for built-in kinds."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

BY_NAME = {"containers", "initContainers", "volumes", "env"}
"""Lists whose items are merged by their names (patchMergeKey of core/v1 as far as it is used here)."""


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply an RFC 7386 merge patch: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return patch
    found = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merge_patch(found.get(key), value)
    return found


def strategic_patch(target: Any, patch: Any, key: str = "") -> Any:
    """Apply a strategic merge patch: as a merge patch, but named items of some lists are merged."""
    if isinstance(patch, list) and key in BY_NAME and isinstance(target, list):
        found_items = {item["name"]: item for item in target}
        for item in patch:
            found_items[item["name"]] = strategic_patch(found_items.get(item["name"], {}), item)
        return list(found_items.values())
    if not isinstance(patch, dict):
        return patch
    found: Json = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            found.pop(name, None)
        else:
            found[name] = strategic_patch(found.get(name), value, name)
    return found
