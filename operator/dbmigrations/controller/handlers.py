"""Kopf's part: it lists, watches and reconnects; its handlers only put a key on the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import kopf

from dbmigrations.api.names import GROUP, LABEL_UID, MANAGED_BY, MANAGED_BY_VALUE, PLURAL, VERSION

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dbmigrations.controller.reconcile import Key

LONGEST_WATCH = 300
"""Seconds after which a watch is renewed, so that one that died silently costs no more than this."""


class Index:
    """Which resource is concerned by a Job, a Pod or a workload."""

    def __init__(self) -> None:
        self._uids: dict[str, Key] = {}
        self._workloads: dict[tuple[str, str, str], set[Key]] = {}

    def learn(self, body: Any, *, gone: bool) -> Key:
        """Take a DatabaseMigration in, or forget it."""
        meta = body["metadata"]
        key = (meta["namespace"], meta["name"])
        for keys in self._workloads.values():
            keys.discard(key)
        if gone:
            self._uids.pop(meta["uid"], None)
            return key
        self._uids[meta["uid"]] = key
        source = body["spec"].get("migration", {}).get("podFrom")
        for ref in [*body["spec"].get("workloads", []), *([source] if source else [])]:
            self._workloads.setdefault((ref["kind"], meta["namespace"], ref["name"]), set()).add(key)
        return key

    def of_labels(self, labels: Any) -> set[Key]:
        """Return the resource that a Job or a Pod belongs to."""
        key = self._uids.get(labels.get(LABEL_UID, ""))
        return {key} if key else set()

    def of_workload(self, kind: str, namespace: str, name: str) -> set[Key]:
        """Return the resources that list a workload."""
        return set(self._workloads.get((kind, namespace, name), ()))


def register(registry: kopf.OperatorRegistry, add: Callable[[Key], Awaitable[None]]) -> None:
    """Register login, settings and the event handlers."""
    index = Index()
    ours: dict[str, Any] = {MANAGED_BY: MANAGED_BY_VALUE, LABEL_UID: kopf.PRESENT}

    @kopf.on.login(registry=registry)
    def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def resource_changed(event: kopf.RawEvent, **_: Any) -> None:
        await add(index.learn(event["object"], gone=event["type"] == "DELETED"))

    @kopf.on.event("batch", "v1", "jobs", labels=ours, registry=registry)
    @kopf.on.event("", "v1", "pods", labels=ours, registry=registry)
    async def job_changed(labels: kopf.Labels, **_: Any) -> None:
        for key in index.of_labels(labels):
            await add(key)

    @kopf.on.event("apps", "v1", "deployments", registry=registry)
    @kopf.on.event("apps", "v1", "statefulsets", registry=registry)
    async def workload_changed(body: kopf.Body, namespace: str | None, name: str | None, **_: Any) -> None:
        for key in index.of_workload(str(body.get("kind", "")), namespace or "", name or ""):
            await add(key)


def operator_settings() -> kopf.OperatorSettings:
    """Return Kopf's settings: it posts nothing, stores nothing, scans nothing, and keeps no peers."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.watching.server_timeout = LONGEST_WATCH
    settings.watching.client_timeout = LONGEST_WATCH + 30
    settings.watching.reconnect_backoff = 1.0
    settings.networking.request_timeout = 30
    settings.networking.connect_timeout = 10
    return settings
