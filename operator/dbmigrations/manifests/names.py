"""Deterministic names: the same resource, run, step and attempt always give the same Job."""

from __future__ import annotations

import hashlib
import re

from dbmigrations.api.names import LABEL_ATTEMPT, LABEL_RUN, LABEL_STEP, LABEL_UID, MANAGED_BY, MANAGED_BY_VALUE

LIMIT = 63
"""Characters of a label's value, and so of a Job's name, which Kubernetes puts into labels of its Pods."""


def job_name(resource: str, uid: str, run: str, step: str, attempt: int) -> str:
    """Return the Job's name: readable in front, unique by a hash behind, within 63 characters."""
    unique = hashlib.sha256(f"{uid}/{run}/{step}/{attempt}".encode()).hexdigest()[:8]
    tail = f"-{step.lower()}-{attempt}-{unique}"
    # A Pod's host name may have no dots; a resource's name may.
    head = re.sub(r"[^a-z0-9-]", "-", resource.lower())[: LIMIT - len(tail)].strip("-")
    return f"{head}{tail}"


def labels(uid: str, run: str, step: str, attempt: int) -> dict[str, str]:
    """Return the labels by which the operator finds its Jobs and Pods again."""
    return {
        MANAGED_BY: MANAGED_BY_VALUE,
        LABEL_UID: uid,
        LABEL_RUN: run,
        LABEL_STEP: step,
        LABEL_ATTEMPT: str(attempt),
    }
