"""Patches that stop a workload and bring it back. The original is written in the same PATCH that sets 0."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dbmigrations.api.names import ORIGINAL, STOPPED_BECAUSE
from dbmigrations.api.run import Original

if TYPE_CHECKING:
    from collections.abc import Collection

    from dbmigrations.api.run import Run
    from dbmigrations.manifests.resource import Resource

Json = dict[str, Any]


def stop_patch(original: Original, resource: Resource, run: Run, version: str) -> Json:
    """Set 0 and leave the original beside it, in one PATCH guarded by the workload's resourceVersion.

    The note also says which image the application had: another run may have to bring this workload back after the
    one that podFrom names has the new image already.
    """
    note = {
        "replicas": original.replicas,
        "images": original.images,
        "image": run.old_image,
        "run": run.id,
        "resource": f"{resource.namespace}/{resource.name}",
        "uid": resource.uid,
    }
    text = json.dumps(note, sort_keys=True)
    return {
        "metadata": {"resourceVersion": version, "annotations": {ORIGINAL: text, STOPPED_BECAUSE: None}},
        "spec": {"replicas": 0},
    }


def start_patch(replicas: int | None, images: dict[str, dict[str, str]], version: str) -> Json:
    """Bring a workload back: replicas (None: leave them), images by kind of container list, our annotations gone."""
    spec: Json = {} if replicas is None else {"replicas": replicas}
    if images:
        lists = {kind: [{"name": n, "image": i} for n, i in named.items()] for kind, named in images.items()}
        spec["template"] = {"spec": lists}
    return {
        "metadata": {"resourceVersion": version, "annotations": {ORIGINAL: None, STOPPED_BECAUSE: None}},
        "spec": spec,
    }


def explain_patch(reason: str, version: str) -> Json:
    """Say on the workload itself why it stays stopped: its DatabaseMigration is about to be gone."""
    return {"metadata": {"resourceVersion": version, "annotations": {STOPPED_BECAUSE: reason[:1000]}}}


def original_of(kind: str, workload: Json) -> Original:
    """Read what a workload was before we stopped it: a 0 with our annotation is never taken for an original."""
    name = workload["metadata"]["name"]
    note = workload["metadata"].get("annotations", {}).get(ORIGINAL)
    replicas = workload["spec"].get("replicas", 1)
    if note and replicas == 0:
        try:
            found = json.loads(note)
            return Original(kind, name, int(found["replicas"]), images_of(workload))
        except (ValueError, KeyError, TypeError):
            # Somebody edited it. One Pod is the least that brings the application back, and the run says so.
            return Original(kind, name, 1, images_of(workload))
    return Original(kind, name, replicas, images_of(workload))


def noted_image(workload: Json) -> str:
    """Return the application's image when the workload was stopped; empty where no note of ours says it."""
    try:
        found = json.loads(workload["metadata"].get("annotations", {}).get(ORIGINAL) or "{}")
        return str(found.get("image", ""))
    except (ValueError, AttributeError):
        return ""


def images_of(workload: Json) -> dict[str, str]:
    """Return the images by container name, initContainers included (names are unique in a Pod)."""
    spec = workload["spec"]["template"]["spec"]
    return {c["name"]: c["image"] for key in ("initContainers", "containers") for c in spec.get(key, [])}


def new_images(workload: Json, old: Collection[str], new: str) -> dict[str, dict[str, str]]:
    """Return which containers, by list, run an old image and get the new one (design 5.3, SetImage)."""
    spec = workload["spec"]["template"]["spec"]
    found: dict[str, dict[str, str]] = {}
    for key in ("initContainers", "containers"):
        named = {c["name"]: new for c in spec.get(key, []) if c["image"] in old and c["image"] != new}
        if named:
            found[key] = named
    return found
