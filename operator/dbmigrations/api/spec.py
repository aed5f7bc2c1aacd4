"""The specification of a DatabaseMigration, as the API server defaulted and validated it.

The CRD is the only place that holds defaults and bounds; what is read here has been through it, so a missing key is
a bug and raises KeyError. Lists and maps that are Kubernetes' own (env, volumes, tolerations) stay plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from dbmigrations.api.durations import parse_duration

Json = dict[str, Any]

CONTROL_FIELDS = frozenset({"retryToken", "dryRun"})
"""Fields that act on runs without being part of what a run is: not in the hash."""

_SYMBOLIC = re.compile(r"^(.+@)?heads?$")


@dataclass(frozen=True)
class WorkloadRef:
    """A Deployment or StatefulSet of the resource's namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


@dataclass(frozen=True)
class HttpProbe:
    """A request to a Service, and the answer that it must give."""

    service: str
    port: int
    path: str
    status: int
    expect: Json | None


@dataclass(frozen=True)
class Spec:
    """What shall be done; `raw` is the JSON it was read from. Durations are in seconds."""

    raw: Json
    source: WorkloadRef
    container: str
    image: str
    target: str
    migration: Json
    version_table: str
    timeout: int
    lock_timeout: int
    statement_timeout: int
    lock_retries: int
    rehearse: bool
    rehearsal: Json
    workloads: tuple[WorkloadRef, ...]
    online: bool
    sessions_ignore: tuple[str, ...]
    sessions_timeout: int
    set_image: bool
    resume_timeout: int
    backup: bool
    backup_spec: Json
    backup_timeout: int
    s3: Json | None
    probe: HttpProbe | None
    probe_successes: int
    probe_interval: int
    probe_timeout: int
    retry_token: str
    dry_run: bool

    @property
    def hash(self) -> str:
        """A hash of all that defines a run; equal for manifests that mean the same."""
        return spec_hash(self.raw)

    @property
    def named_target(self) -> bool:
        """True where the target is one revision's id, so that the database itself can tell whether it is there."""
        return not _SYMBOLIC.match(self.target)


def spec_hash(raw: Json) -> str:
    """Return 16 hexadecimal digits over the specification without its control fields."""
    relevant = {key: value for key, value in raw.items() if key not in CONTROL_FIELDS}
    text = json.dumps(relevant, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def parse_spec(raw: Json) -> Spec:
    """Read a specification as the API server returns it. Raises KeyError where the CRD's defaults are missing."""
    migration, backup, probe = raw["migration"], raw["backup"], raw["probe"]
    pod_from = migration["podFrom"]
    return Spec(
        raw=raw,
        source=WorkloadRef(pod_from["kind"], pod_from["name"]),
        container=pod_from.get("container", ""),
        image=migration["image"],
        target=migration["target"],
        migration=migration,
        version_table=migration["versionTable"],
        timeout=parse_duration(migration["timeout"]),
        lock_timeout=parse_duration(migration["lockTimeout"]),
        statement_timeout=parse_duration(migration["statementTimeout"]),
        lock_retries=migration["lockRetries"],
        rehearse=raw["rehearsal"]["mode"] == "Required",
        rehearsal=raw["rehearsal"],
        workloads=tuple(WorkloadRef(w["kind"], w["name"]) for w in raw["workloads"]),
        online=raw["strategy"] == "Online",
        sessions_ignore=tuple(raw["sessions"]["ignore"]),
        sessions_timeout=parse_duration(raw["sessions"]["timeout"]),
        set_image=raw["resume"]["mode"] == "SetImage",
        resume_timeout=parse_duration(raw["resume"]["timeout"]),
        backup=backup["mode"] == "Required",
        backup_spec=backup,
        backup_timeout=parse_duration(backup["timeout"]),
        s3=backup.get("s3"),
        probe=_parse_probe(probe.get("http")),
        probe_successes=probe["successes"],
        probe_interval=parse_duration(probe["interval"]),
        probe_timeout=parse_duration(probe["timeout"]),
        retry_token=raw.get("retryToken", ""),
        dry_run=raw["dryRun"],
    )


def _parse_probe(http: Json | None) -> HttpProbe | None:
    if http is None:
        return None
    return HttpProbe(http["service"], http["port"], http["path"], http["status"], http.get("expectJSON"))
