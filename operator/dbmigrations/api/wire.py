"""Frozen dataclasses to JSON and back: snake_case to camelCase, defaults left out, unknown keys ignored.

Unknown keys are ignored on purpose: a newer operator may have written them, and an older one must be able to go on.
"""

from __future__ import annotations

import dataclasses
import enum
import types
import typing
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")

_SPECIAL = {"from_": "from", "uri": "uri", "version_id": "versionID"}


def to_wire(value: Any) -> Any:
    """Return the JSON of a dataclass, leaving out fields that have their default."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        found = {}
        for item in dataclasses.fields(value):
            content = getattr(value, item.name)
            if content != _default(item):
                found[_key(item.name)] = to_wire(content)
        return found
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {key: to_wire(content) for key, content in value.items()}
    if isinstance(value, tuple | list):
        return [to_wire(content) for content in value]
    return value


def from_wire(kind: type[T], raw: dict[str, Any]) -> T:
    """Read a dataclass from its JSON. Raises TypeError where a field without default is missing."""
    hints = _hints(typing.cast("Any", kind))
    found = {}
    for item in dataclasses.fields(kind):  # type: ignore[arg-type]
        key = _key(item.name)
        if key in raw and raw[key] is not None:
            found[item.name] = _read(hints[item.name], raw[key])
    return kind(**found)


def _read(hint: Any, raw: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin is types.UnionType or origin is typing.Union:
        (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
        return _read(hint, raw)
    if origin is tuple:
        return tuple(_read(typing.get_args(hint)[0], part) for part in raw)
    if origin is dict:
        inner = typing.get_args(hint)[1]
        return {key: _read(inner, content) for key, content in raw.items()}
    if dataclasses.is_dataclass(hint):
        return from_wire(typing.cast("type[Any]", hint), raw)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return hint(raw)
    if hint is float:
        return float(raw)
    return raw


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _key(name: str) -> str:
    if name in _SPECIAL:
        return _SPECIAL[name]
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)


def _default(item: dataclasses.Field[Any]) -> Any:
    if item.default_factory is not dataclasses.MISSING:
        return item.default_factory()
    return item.default
