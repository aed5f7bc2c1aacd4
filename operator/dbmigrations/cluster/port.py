"""The port: the few calls that the operator makes. Objects are plain JSON; a fake cluster implements the same.

`kind` is one of DatabaseMigration, Job, Pod, Deployment, StatefulSet, Service, Event, ConfigMap.
"""

from __future__ import annotations

from typing import Any, Protocol

Json = dict[str, Any]


class ApiError(Exception):
    """The API server refused, or did not answer (status 0). `message` is its own text."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Cluster(Protocol):
    """What the operator needs of Kubernetes. Every call raises ApiError."""

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Read one object freshly (not from a cache); None where it does not exist."""

    async def list(self, kind: str, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """Read the objects that match selectors, freshly."""

    async def create(self, kind: str, namespace: str, body: Json, *, dry_run: bool = False) -> Json:
        """Create an object, or ask whether it could be created."""

    async def patch(self, kind: str, namespace: str, name: str, body: Json, *, manager: str = "") -> Json:
        """Patch an object: strategic merge for built-in kinds, merge for custom ones."""

    async def put_status(self, body: Json) -> Json:
        """Replace a DatabaseMigration's status; 409 if the resourceVersion in the body is not the newest."""

    async def log(self, namespace: str, pod: str, container: str) -> bytes:
        """Read what a container has printed."""

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object of that uid with its dependents in the background; one that is gone is no error."""
