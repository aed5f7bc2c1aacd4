"""The application's surroundings without anything that comes from a Secret: what its command gets in the rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.manifests.runner import merged_env, merged_env_from

if TYPE_CHECKING:
    from collections.abc import Iterable

    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.source import PodSource

PLACEHOLDER = "rehearsal-placeholder"
"""The value of a variable that really comes from a Secret."""
_HARMLESS = {"emptyDir", "configMap", "downwardAPI"}
"""Kinds of volumes that the rehearsal may see; anything else may hold a secret, or is somebody's data."""


def stripped_env(spec: Spec, source: PodSource, secret_names: Iterable[str]) -> list[Any]:
    """Return the variables, with placeholders for those from Secrets, then those of `rehearsal.env`."""
    env = [_stripped(item) for item in merged_env(spec, source)]
    given = {item["name"] for item in env}
    # envFrom comes first, so that a variable that names another as $(OTHER) finds it.
    whole = [{"name": name, "value": PLACEHOLDER} for name in secret_names if name not in given]
    mine = {item["name"]: item for item in spec.rehearsal.get("env", [])}
    merged = [mine.pop(item["name"], item) for item in [*whole, *env]]
    return [*merged, *mine.values()]


def stripped_env_from(spec: Spec, source: PodSource) -> list[Any]:
    """Return envFrom without Secrets."""
    return [item for item in merged_env_from(spec, source) if "secretRef" not in item]


def stripped_files(source: PodSource) -> tuple[list[Json], list[Json]]:
    """Return volumes and mounts: a volume that may hold a secret is replaced by an empty folder.

    Single files of such a volume (subPath) are not mounted at all: a folder would stand in their place.
    """
    volumes: list[Json] = []
    names: dict[str, str] = {}
    for number, volume in enumerate(source.volumes):
        kept = _harmless(volume)
        name = volume["name"] if kept == volume else f"dbm-empty-{number}"
        names[volume["name"]] = name
        volumes.append({**(kept or {"emptyDir": {}}), "name": name})
    replaced = {old for old, new in names.items() if old != new}
    mounts = [
        {**mount, "name": names[mount["name"]]}
        for mount in source.container.get("volumeMounts", [])
        if mount["name"] in names and not (mount["name"] in replaced and (mount.keys() & {"subPath", "subPathExpr"}))
    ]
    return volumes, mounts


def _stripped(item: Json) -> Json:
    if "secretKeyRef" not in item.get("valueFrom", {}):
        return item
    return {"name": item["name"], "value": PLACEHOLDER}


def _harmless(volume: Json) -> Json | None:
    """Return the volume where it may be seen as it is; a projected one without its Secrets and tokens."""
    if volume.keys() & _HARMLESS:
        return volume
    if "projected" not in volume:
        return None
    sources = [part for part in volume["projected"].get("sources", []) if part.keys() & {"configMap", "downwardAPI"}]
    return {**volume, "projected": {**volume["projected"], "sources": sources}} if sources else None
