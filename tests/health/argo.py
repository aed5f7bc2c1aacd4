"""Runs health.lua as Argo CD does: Lua 5.1 (which gopher-lua implements), the object as `obj`, few libraries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lupa import lua51

ARGOCD = Path(__file__).resolve().parents[2] / "deploy" / "argocd"
SCRIPT = ARGOCD / "health.lua"

# Argo CD opens base, table, package and a part of os for health scripts, and not string, math or io.
CLOSED = ("string", "math", "io", "debug", "coroutine", "python", "os", "package", "require", "dofile", "loadfile")


@dataclass(frozen=True)
class Health:
    """What Argo CD shows: one of its words, and the message below it."""

    status: str
    message: str


def health(obj: dict[str, Any], script: str | None = None) -> Health:
    """Return the health of an object; raises LuaError as Argo CD would show an error."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    variables = lua.globals()
    variables["obj"] = as_lua(lua, obj)
    for name in CLOSED:
        variables[name] = None
    answer = lua.execute(script if script is not None else SCRIPT.read_text())
    return Health(answer["status"], answer["message"])


def as_lua(lua: Any, value: Any) -> Any:
    """Turn JSON into Lua: objects and lists become tables, null becomes nil, as in Argo CD."""
    if isinstance(value, dict):
        return lua.table_from({key: as_lua(lua, item) for key, item in value.items() if item is not None})
    if isinstance(value, list):
        return lua.table_from([as_lua(lua, item) for item in value])
    return value
