"""The plan as ConfigMaps of the resource: what the rehearsal's report printed, in pieces that etcd can hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import LABEL_RUN, LABEL_UID, MANAGED_BY, MANAGED_BY_VALUE, PLAN
from dbmigrations.manifests.jobs import owner_reference
from dbmigrations.manifests.names import job_name

if TYPE_CHECKING:
    from dbmigrations.api.run import Run
    from dbmigrations.manifests.resource import Resource

Json = dict[str, Any]

PIECE_BYTES = 900 * 1024
"""Of text in one ConfigMap: an object of the API holds 1 MiB, and etcd not much more."""


def read_plan(log: bytes) -> dict[str, str]:
    """Return the files in a report's log by name, in order. Lines that are not the plan's are skipped."""
    files: dict[str, list[str]] = {}
    for line in log.splitlines():
        if not line.startswith(b'{"dbm"'):
            continue
        try:
            frame = json.loads(line)
        except ValueError:
            continue
        if frame.get("dbm") == "plan":
            # A report that was started again printed all of it again.
            parts = [] if frame["part"] == 0 else files.get(frame["file"], [])
            files[frame["file"]] = [*parts, frame["text"]]
    return {name: "".join(parts) for name, parts in files.items()}


def config_maps(resource: Resource, run: Run, files: dict[str, str]) -> list[Json]:
    """Return the ConfigMaps, at least one; each but the first has the first one's name and a number."""
    pieces: list[dict[str, str]] = [{}]
    room = PIECE_BYTES
    for name, text in files.items():
        for number, part in enumerate(_split(text, PIECE_BYTES)):
            size = len(part.encode())
            if size > room:
                pieces.append({})
                room = PIECE_BYTES
            pieces[-1][f"{name}.{number}" if number else name] = part
            room -= size
    first = plan_name(resource, run)
    names = [first, *(f"{first}-{number}" for number in range(1, len(pieces)))]
    return [_config_map(resource, run, name, names, data) for name, data in zip(names, pieces, strict=True)]


def plan_name(resource: Resource, run: Run) -> str:
    """Return the name of the first ConfigMap of a run's plan."""
    attempt = run.attempts["Rehearse"].number if "Rehearse" in run.attempts else 0
    return job_name(resource.name, resource.uid, run.id, "plan", attempt)


def names_of(first: Json) -> tuple[str, ...]:
    """Return the names of all ConfigMaps of a plan, by its first."""
    return tuple(first["metadata"]["annotations"][PLAN].split())


def plan_labels(resource: Resource) -> str:
    """Return the selector of all plans of a resource."""
    return f"{LABEL_UID}={resource.uid},{PLAN}=plan"


def _config_map(resource: Resource, run: Run, name: str, names: list[str], data: dict[str, str]) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": resource.namespace,
            "labels": {MANAGED_BY: MANAGED_BY_VALUE, LABEL_UID: resource.uid, LABEL_RUN: run.id, PLAN: "plan"},
            "annotations": {PLAN: " ".join(names)},
            "ownerReferences": [owner_reference(resource)],
        },
        "data": data,
    }


def _split(text: str, limit: int) -> list[str]:
    """Cut a text into pieces of at most that many bytes, at line ends where there are any."""
    raw = text.encode()
    pieces = []
    while len(raw) > limit:
        cut = raw.rfind(b"\n", 0, limit) + 1 or limit
        piece = raw[:cut].decode(errors="ignore")
        pieces.append(piece)
        raw = raw[len(piece.encode()) :]
    return [*pieces, raw.decode(errors="ignore")]
