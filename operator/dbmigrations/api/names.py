"""Names that users and other programs rely on: API group, labels, annotations, field managers."""

from __future__ import annotations

from typing import Final

GROUP: Final = "dbmigrations.dev"
VERSION: Final = "v1alpha1"
KIND: Final = "DatabaseMigration"
PLURAL: Final = "databasemigrations"

FINALIZER: Final = f"{GROUP}/finalizer"
ORIGINAL: Final = f"{GROUP}/original"
"""Annotation of a stopped workload: what it was before, as JSON (replicas, run, resource)."""
STOPPED_BECAUSE: Final = f"{GROUP}/stopped-because"
"""Annotation of a workload that stays stopped after its DatabaseMigration was deleted: the reason, for people."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGED_BY_VALUE: Final = "dbmigrations"
LABEL_UID: Final = f"{GROUP}/uid"
LABEL_RUN: Final = f"{GROUP}/run"
LABEL_STEP: Final = f"{GROUP}/step"
LABEL_ATTEMPT: Final = f"{GROUP}/attempt"
PLAN: Final = f"{GROUP}/plan"
"""Label and annotation of ConfigMaps that hold a plan; the annotation names all of them."""
PASSWD: Final = f"{GROUP}/passwd"
"""Annotation of a Rehearse Pod: the scratch server's line of /etc/passwd, which its image need not know."""
SPEC_HASH: Final = f"{GROUP}/spec-hash"
"""Annotation of a Job: the hash of the specification that it was built from."""

MANAGER_STOP: Final = "dbmigrations-stop"
MANAGER_START: Final = "dbmigrations-start"
"""Two field managers for replicas, so that managedFields tell who stopped and who started (`docs/decisions.md`)."""
