"""A Kubernetes API server in memory: versions, generations, conflicts, finalizers, deletion, garbage collection.

Objects are JSON. What `read` and `search` return are copies; actors change objects with `change`.
"""

from __future__ import annotations

import json
import marshal
from typing import TYPE_CHECKING, Any

from tests.simulation.patches import merge_patch, strategic_patch
from tests.simulation.selectors import matches_fields, matches_labels

from dbmigrations.api.clock import to_text
from dbmigrations.cluster.port import ApiError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.clock import Clock

Json = dict[str, Any]
Place = tuple[str, str, str]
"""Kind, namespace, name."""

FOREGROUND = "foregroundDeletion"


class ApiServer:
    """The objects of a cluster. `listeners` are called with every object that changed or went."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[Place, Json] = {}
        self.listeners: list[Callable[[Json], None]] = []
        self._counter = 100

    def of_kind(self, kind: str) -> Iterator[Json]:
        """The stored objects themselves: for actors, to read."""
        return (value for place, value in list(self.objects.items()) if place[0] == kind)

    def find(self, kind: str, name: str, space: str = "shop") -> Json | None:
        """The stored object itself: for actors, to read."""
        return self.objects.get((kind, space, name))

    def read(self, place: Place) -> Json | None:
        """Return a copy of one object."""
        found = self.objects.get(place)
        return duplicate(found) if found else None

    def search(self, kind: str, space: str, labels: str, fields: str) -> list[Json]:
        """Return copies of the objects that match selectors."""
        return [
            duplicate(found)
            for (its_kind, its_space, _), found in self.objects.items()
            if (its_kind, its_space) == (kind, space)
            and matches_labels(found, labels)
            and matches_fields(found, fields)
        ]

    def create(self, kind: str, space: str, body: Json) -> Json:
        """Create an object. Raises ApiError AlreadyExists."""
        made = copied(body)
        meta = made.setdefault("metadata", {})
        self._counter += 1
        if "generateName" in meta and "name" not in meta:
            meta["name"] = f"{meta['generateName']}{self._counter:05x}"
        place = (kind, space, meta["name"])
        if place in self.objects:
            raise ApiError(409, "AlreadyExists", f'{kind} "{meta["name"]}" already exists')
        made["kind"] = kind
        meta |= {
            "namespace": space,
            "uid": meta.get("uid", f"uid-{self._counter}"),
            "generation": 1,
            "creationTimestamp": to_text(self.clock.now()),
            "resourceVersion": str(self._counter),
        }
        self.objects[place] = made
        self._tell(made)
        return duplicate(made)

    def patch(self, place: Place, body: Json, manager: str) -> Json:
        """Patch an object; a resourceVersion in the patch must be the newest."""
        stored = self._existing(place)
        wanted = body.get("metadata", {}).get("resourceVersion")
        if wanted is not None and wanted != stored["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", f"{place[2]}: the object has been modified")
        apply = merge_patch if place[0] == "DatabaseMigration" else strategic_patch
        changed = apply(stored, body)
        if manager and changed["spec"].get("replicas") != stored["spec"].get("replicas"):
            changed["metadata"]["managedFields"] = [
                {"manager": manager, "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            ]
        return duplicate(self._store(place, changed))

    def put_status(self, body: Json) -> Json:
        """Replace a status; the resourceVersion must be the newest."""
        meta = body["metadata"]
        place = ("DatabaseMigration", meta["namespace"], meta["name"])
        stored = self._existing(place)
        if (meta["resourceVersion"], meta["uid"]) != (stored["metadata"]["resourceVersion"], stored["metadata"]["uid"]):
            raise ApiError(409, "Conflict", f"{place[2]}: the object has been modified")
        return duplicate(self._store(place, {**duplicate(stored), "status": copied(body["status"])}))

    def change(self, kind: str, name: str, how: Callable[[Json], None], space: str = "shop") -> None:
        """Let an actor or a person change an object in place; one that is gone is left alone."""
        place = (kind, space, name)
        if place in self.objects:
            changed = duplicate(self.objects[place])
            how(changed)
            self._store(place, changed)

    def delete(self, place: Place, *, foreground: bool = False, now: bool = False) -> None:
        """Ask for deletion. Pods go when their kubelet removes them (or `now`), others when no finalizer is left."""
        stored = self.objects.get(place)
        if stored is None:
            return
        if now:
            self._remove(place)
            return
        changed = duplicate(stored)
        finalizers = changed["metadata"].setdefault("finalizers", [])
        if foreground and FOREGROUND not in finalizers:
            finalizers.append(FOREGROUND)
        if finalizers or place[0] == "Pod":
            changed["metadata"].setdefault("deletionTimestamp", to_text(self.clock.now()))
            self._store(place, changed)
        else:
            self._remove(place)

    def collect_garbage(self) -> None:
        """Delete dependents of what is gone, and of what is being deleted in the foreground."""
        alive = {found["metadata"]["uid"] for found in self.objects.values()}
        in_front = {
            found["metadata"]["uid"]
            for found in self.objects.values()
            if FOREGROUND in found["metadata"].get("finalizers", []) and "deletionTimestamp" in found["metadata"]
        }
        blocking: set[str] = set()
        for place, found in list(self.objects.items()):
            for owner in found["metadata"].get("ownerReferences", []):
                if owner["uid"] not in alive or owner["uid"] in in_front:
                    if "deletionTimestamp" not in found["metadata"]:
                        self.delete(place)
                    if owner.get("blockOwnerDeletion") and place in self.objects:
                        blocking.add(owner["uid"])
        for found in list(self.objects.values()):
            meta = found["metadata"]
            if meta["uid"] in in_front - blocking:
                self.change(
                    found["kind"],
                    meta["name"],
                    lambda o: o["metadata"].update(
                        finalizers=[f for f in o["metadata"]["finalizers"] if f != FOREGROUND]
                    ),
                    meta["namespace"],
                )

    def _existing(self, place: Place) -> Json:
        if place not in self.objects:
            raise ApiError(404, "NotFound", f'{place[0]} "{place[2]}" not found')
        return self.objects[place]

    def _store(self, place: Place, changed: Json) -> Json:
        stored = self.objects[place]
        if changed == stored:
            return stored
        if changed.get("spec") != stored.get("spec"):
            changed["metadata"]["generation"] = stored["metadata"]["generation"] + 1
        self._counter += 1
        changed["metadata"]["resourceVersion"] = str(self._counter)
        self.objects[place] = changed
        meta = changed["metadata"]
        if "deletionTimestamp" in meta and not meta.get("finalizers") and place[0] != "Pod":
            self._remove(place)
        else:
            self._tell(changed)
        return changed

    def _remove(self, place: Place) -> None:
        self._tell(self.objects.pop(place))

    def _tell(self, changed: Json) -> None:
        for listener in self.listeners:
            listener(changed)


def copied(value: Json) -> Json:
    """Return a copy through JSON: what is stored has been on the wire."""
    found: Json = json.loads(json.dumps(value))
    return found


def duplicate(stored: Json) -> Json:
    """Return a copy of what is stored already, faster than through JSON."""
    found: Json = marshal.loads(marshal.dumps(stored))  # noqa: S302 - made in the same line
    return found
