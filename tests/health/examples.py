"""DatabaseMigrations made by hand, one for each rule of the health script, and what Argo CD shall show for them."""

from __future__ import annotations

from typing import Any

from tests.health.argo import Health

Json = dict[str, Any]

SINCE = "2026-01-01T00:00:00Z"
NOT_TAKEN_UP = "Waiting for the operator to take up this generation"


def condition(kind: str, status: str, reason: str, message: str) -> Json:
    """One condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": SINCE}


def migration(*conditions: Json, generation: int = 2, observed: int | None = 2, deleted: bool = False) -> Json:
    """A DatabaseMigration with these conditions; `observed` None leaves observedGeneration out."""
    metadata: Json = {"name": "shop", "namespace": "shop", "generation": generation}
    if deleted:
        metadata["deletionTimestamp"] = SINCE
    status: Json = {"conditions": list(conditions)}
    if observed is not None:
        status["observedGeneration"] = observed
    return {
        "apiVersion": "dbmigrations.dev/v1alpha1",
        "kind": "DatabaseMigration",
        "metadata": metadata,
        "status": status,
    }


READY = condition("Ready", "True", "Succeeded", "The database is at 0008, the application is back and probed")
NOT_READY = condition("Ready", "False", "Failed", "The migration failed")
RECONCILING = condition("Reconciling", "True", "Backup", "The dump is being uploaded")
NOT_RECONCILING = condition("Reconciling", "False", "Done", "Nothing to do")
STALLED = condition("Stalled", "True", "AuthenticationFailed", "The password is wrong: correct the Secret shop-db")
NOT_STALLED = condition("Stalled", "False", "Progressing", "")
SUSPENDED = condition("Suspended", "True", "SuspendRequested", "Suspended by spec.suspend")


def without_status() -> Json:
    """What a cluster without the schema default would hold right after the apply."""
    obj = migration()
    del obj["status"]
    return obj


EXAMPLES: dict[str, tuple[Json, Health]] = {
    "no-status": (without_status(), Health("Progressing", NOT_TAKEN_UP)),
    "schema-default": (migration(observed=-1), Health("Progressing", NOT_TAKEN_UP)),
    "observed-generation-missing": (migration(READY, observed=None), Health("Progressing", NOT_TAKEN_UP)),
    "ready-of-an-older-generation": (migration(READY, generation=3), Health("Progressing", NOT_TAKEN_UP)),
    "stalled-of-an-older-generation": (migration(STALLED, generation=3), Health("Progressing", NOT_TAKEN_UP)),
    "reconciling": (
        migration(condition("Ready", "Unknown", "Running", "A run is on its way"), RECONCILING, NOT_STALLED),
        Health("Progressing", "The dump is being uploaded"),
    ),
    "ready": (
        migration(READY, NOT_RECONCILING, NOT_STALLED),
        Health("Healthy", "The database is at 0008, the application is back and probed"),
    ),
    "stalled": (
        migration(NOT_READY, NOT_RECONCILING, STALLED),
        Health("Degraded", "The password is wrong: correct the Secret shop-db"),
    ),
    "suspended": (migration(NOT_READY, RECONCILING, SUSPENDED), Health("Suspended", "Suspended by spec.suspend")),
    "stalled-wins-over-everything": (
        migration(READY, RECONCILING, SUSPENDED, STALLED),
        Health("Degraded", "The password is wrong: correct the Secret shop-db"),
    ),
    "suspended-wins-over-reconciling": (
        migration(READY, RECONCILING, SUSPENDED),
        Health("Suspended", "Suspended by spec.suspend"),
    ),
    "reconciling-wins-over-ready": (migration(READY, RECONCILING), Health("Progressing", "The dump is being uploaded")),
    "not-ready-alone": (migration(NOT_READY), Health("Progressing", "The migration failed")),
    "no-conditions": (migration(), Health("Progressing", "Waiting for the operator")),
    "deleting": (migration(STALLED, deleted=True), Health("Progressing", "The migration is being deleted")),
    "deleting-and-ready": (migration(READY, deleted=True), Health("Progressing", "The migration is being deleted")),
    "message-empty": (
        migration(condition("Ready", "True", "AlreadyAtTarget", "")),
        Health("Healthy", "AlreadyAtTarget"),
    ),
}
