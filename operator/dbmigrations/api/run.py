"""One run of a DatabaseMigration as the status keeps it: what was observed, and what is needed to go on after a crash.

Every value here is a frozen dataclass that reads and writes itself as JSON by `wire`; an absent key is the
field's default.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]


class Step(enum.StrEnum):
    """Where a run is. The order is that of a run that succeeds; Recheck and PutBack are detours."""

    INSPECT = "Inspect"
    REHEARSE = "Rehearse"
    COMPARE = "Compare"
    CHECK = "Check"
    QUIESCE = "Quiesce"
    BACKUP = "Backup"
    MIGRATE = "Migrate"
    RECHECK = "Recheck"
    RESUME = "Resume"
    PROBE = "Probe"
    RESUME_REST = "ResumeRest"
    PUT_BACK = "PutBack"
    DONE = "Done"


@dataclass(frozen=True)
class Failure:
    """Why a run failed: what happened (message), where (step), and what to do now (hint)."""

    step: str
    reason: str
    message: str
    hint: str = ""


@dataclass(frozen=True)
class Attempt:
    """One Job: recorded before it is created (uid empty), then with its uid; `addresses` are its Pods' IPs."""

    number: int
    uid: str = ""
    not_before: str = ""
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True)
class Original:
    """A workload as it was before the run. `images` maps container names to the images they had."""

    kind: str
    name: str
    replicas: int
    images: Json = field(default_factory=dict)


@dataclass(frozen=True)
class Inspection:
    """What Inspect saw: server, size, identity, warnings for people; and, without a secret, how it was reached.

    `host` is the name that the application uses, `address` the one that was connected to; `url` is the URL for the
    rehearsal's command, `secret_names` are variables that came from whole Secrets.
    """

    server_version: str = ""
    size_bytes: int = 0
    database: str = ""
    identity: str = ""
    backup_memory_bytes: int = 0
    warnings: tuple[str, ...] = ()
    server_major: int = 0
    role: str = ""
    host: str = ""
    address: str = ""
    port: int = 0
    url: str = ""
    secret_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What the rehearsal saw happen: `revisions` are the version rows that the real run must reach.

    `commits` is Nothing, Once, PerRevision, Autocommit or Several; `schema` is the hash of the schema after a round
    trip; `config_maps` hold the statements and the schema's difference.
    """

    hash: str
    revisions: tuple[str, ...] = ()
    statements: int = 0
    transactions: int = 0
    commits: str = ""
    schema: str = ""
    schema_changed: bool = False
    pod: str = ""
    config_maps: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fingerprint:
    """What can be told about a database's content without reading it; compared by `machine.unchanged`."""

    revisions: tuple[str, ...] = ()
    schema: str = ""
    invalid_indexes: tuple[str, ...] = ()
    invalid: str = ""
    files: str = ""
    changes: str = ""
    resets: str = ""


@dataclass(frozen=True)
class Backup:
    """A verified dump in the bucket."""

    uri: str
    manifest_key: str = ""
    version_id: str = ""
    size_bytes: int = 0
    sha256: str = ""
    taken_at: str = ""
    verified: bool = False
    verified_at: str = ""
    verify: str = ""
    note: str = ""
    compression: str = ""
    server_version: str = ""


@dataclass(frozen=True)
class Run:
    """The current or last run."""

    id: str
    number: int
    spec_hash: str
    kind: str = "Upgrade"
    retry_token: str = ""
    generation: int = 0
    spec: Json = field(default_factory=dict)
    image: str = ""
    target: str = ""
    from_: str = ""
    to: str = ""
    step: Step = Step.INSPECT
    step_started_at: str = ""
    started_at: str = ""
    finished_at: str = ""
    outcome: str = ""
    attempts: dict[str, Attempt] = field(default_factory=dict)
    retry_until: str = ""
    waiting_since: str = ""
    template_hash: str = ""
    old_image: str = ""
    inspection: Inspection | None = None
    planned: Fingerprint | None = None
    plan: Plan | None = None
    before: Fingerprint | None = None
    after: Fingerprint | None = None
    started: bool = False
    taken_over: bool = False
    unfinished: bool = False
    probed: bool = False
    workloads: tuple[Original, ...] = ()
    contested: int = 0
    down_since: str = ""
    downtime: str = ""
    downtime_seconds: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)
    backup: Backup | None = None
    first_backup: Backup | None = None
    progress: str = ""
    failure: Failure | None = None
    exit_code: int | None = None

    @property
    def active(self) -> bool:
        """True until the run has an outcome."""
        return self.outcome == ""

    @property
    def revisions_reached(self) -> tuple[str, ...]:
        """The version rows as they were last seen."""
        seen = self.after or self.before or self.planned
        return seen.revisions if seen else ()
