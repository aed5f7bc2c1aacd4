"""Fields that every Pod of a run shares: the application's placement, changed where the manifest says so."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.source import PodSource


def pod_fields(spec: Spec, source: PodSource) -> Json:
    """Return the Pod's placement, pull secrets, security context and service account (without a token)."""
    migration = spec.migration
    found = dict(source.pod)
    found["automountServiceAccountToken"] = False
    if name := migration.get("serviceAccountName"):
        found["serviceAccountName"] = name
    if "nodeSelector" in migration:
        found["nodeSelector"] = migration["nodeSelector"]
    if "tolerations" in migration:
        found["tolerations"] = migration["tolerations"]
    if extra := migration.get("imagePullSecrets"):
        found["imagePullSecrets"] = [*found.get("imagePullSecrets", []), *extra]
    return found
