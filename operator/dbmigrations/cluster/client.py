"""The port over the official asynchronous client, with plain JSON instead of its models."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp
from kubernetes.aio.client.exceptions import ApiException

from dbmigrations.api.names import GROUP, PLURAL, VERSION
from dbmigrations.cluster.port import ApiError

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

Json = dict[str, Any]
Query = list[tuple[str, str]]

TIMEOUT = 20
"""Seconds for one request. One number: the client raises for a tuple."""
PAGE = 500
"""Objects in one answer to a list."""

_PATHS = {
    "DatabaseMigration": (f"/apis/{GROUP}/{VERSION}", PLURAL),
    "Job": ("/apis/batch/v1", "jobs"),
    "Pod": ("/api/v1", "pods"),
    "Deployment": ("/apis/apps/v1", "deployments"),
    "StatefulSet": ("/apis/apps/v1", "statefulsets"),
    "Service": ("/api/v1", "services"),
    "Event": ("/api/v1", "events"),
    "ConfigMap": ("/api/v1", "configmaps"),
}
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


class KubernetesCluster:
    """Kubernetes, as the client's configuration reaches it."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api

    async def get(self, kind: str, namespace: str, name: str) -> Json | None:
        """Read one object."""
        try:
            return await self._call("GET", _path(kind, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def list(self, kind: str, namespace: str, *, labels: str = "", fields: str = "") -> list[Json]:
        """Read all pages of the objects that match."""
        found: list[Json] = []
        query = [("limit", str(PAGE))]
        query += [("labelSelector", labels)] if labels else []
        query += [("fieldSelector", fields)] if fields else []
        token = ""
        while True:
            page = await self._call("GET", _path(kind, namespace), [*query, ("continue", token)] if token else query)
            found += page["items"]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    async def create(self, kind: str, namespace: str, body: Json, *, dry_run: bool = False) -> Json:
        """Create an object, or try."""
        query = [("dryRun", "All")] if dry_run else []
        return await self._call("POST", _path(kind, namespace), query, body)

    async def patch(self, kind: str, namespace: str, name: str, body: Json, *, manager: str = "") -> Json:
        """Patch an object."""
        form = _MERGE if kind == "DatabaseMigration" else _STRATEGIC
        query = [("fieldManager", manager)] if manager else []
        return await self._call("PATCH", _path(kind, namespace, name), query, body, form)

    async def put_status(self, body: Json) -> Json:
        """Replace the status."""
        meta = body["metadata"]
        path = _path("DatabaseMigration", meta["namespace"], meta["name"]) + "/status"
        return await self._call("PUT", path, [], body)

    async def delete(self, kind: str, namespace: str, name: str, *, uid: str) -> None:
        """Delete an object of that uid."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._call("DELETE", _path(kind, namespace, name), [], body)
        except ApiError as error:
            if error.status not in {404, 409}:
                raise

    async def log(self, namespace: str, pod: str, container: str) -> bytes:
        """Read what a container has printed."""
        return await self._ask("GET", f"{_path('Pod', namespace, pod)}/log", [("container", container)])

    async def _call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        form: str = "application/json",
    ) -> Json:
        return _object(await self._ask(method, path, query, body, form))

    async def _ask(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Json | None = None,
        form: str = "application/json",
    ) -> bytes:
        try:
            request = await self._api.param_serialize(
                method,
                path,
                query_params=query or [],
                header_params={"Accept": "application/json, */*", "Content-Type": form},
                body=body,
                auth_settings=["BearerToken"],
            )
            answer = await self._api.call_api(*request, _request_timeout=TIMEOUT)
            text: bytes = await answer.read()  # type: ignore[no-untyped-call]
        except ApiException as error:
            raise _refusal(error.status or 0, error.reason or "", error.body) from error
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise ApiError(0, "NoAnswer", f"{type(error).__name__}: {error}") from error
        if answer.status >= 400:
            raise _refusal(answer.status, answer.reason or "", text)
        return text


def _path(kind: str, namespace: str, name: str = "") -> str:
    prefix, plural = _PATHS[kind]
    path = f"{prefix}/namespaces/{namespace}/{plural}"
    return f"{path}/{name}" if name else path


def _object(text: bytes) -> Json:
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        # A proxy in between, for example: as good as no answer.
        raise ApiError(0, "NoAnswer", f"the answer is no JSON object: {text[:200]!r}")
    return found


def _refusal(status: int, reason: str, body: str | bytes | None) -> ApiError:
    """Read metav1.Status, the API server's own words."""
    try:
        words = json.loads(body or "{}")
    except ValueError:
        words = None
    if not isinstance(words, dict):
        return ApiError(status, reason, str(body)[:500])
    return ApiError(status, words.get("reason", reason), words.get("message", reason))
