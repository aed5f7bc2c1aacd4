"""What a decision may ask the edge to do: one of these a pass. Each is harmless when it was done already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.api.run import Original, Step
    from dbmigrations.api.spec import WorkloadRef


@dataclass(frozen=True)
class AddFinalizer:
    """Hold the resource: from now on something must be undone before it may go."""


@dataclass(frozen=True)
class RemoveFinalizer:
    """Let the resource go: nothing is left to undo."""


@dataclass(frozen=True)
class DryRun:
    """Ask the API server whether it would take every later Job and its Pod."""


@dataclass(frozen=True)
class KeepPlan:
    """Keep what the rehearsal's report printed in ConfigMaps of the resource; those of earlier runs go."""

    pod: str


@dataclass(frozen=True)
class CreateJob:
    """Create the Job of a step; its attempt is in the status already."""

    step: Step
    attempt: int


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job and, in the background, its Pods."""

    name: str


@dataclass(frozen=True)
class StopWorkload:
    """Set a workload to 0 and leave its original beside it."""

    original: Original


@dataclass(frozen=True)
class StartWorkload:
    """Bring a workload back: replicas (None: leave them), and containers of `old_images` to `new_image`."""

    ref: WorkloadRef
    replicas: int | None
    old_images: tuple[str, ...]
    new_image: str


@dataclass(frozen=True)
class ExplainWorkload:
    """Say on a workload why it stays stopped."""

    ref: WorkloadRef
    reason: str


@dataclass(frozen=True)
class ProbeOnce:
    """Make one HTTP request to the probe's Service."""


@dataclass(frozen=True)
class CleanUp:
    """Give the run's Jobs to the resource (they go with it) and end those that still run."""


Effect = (
    AddFinalizer
    | RemoveFinalizer
    | DryRun
    | KeepPlan
    | CreateJob
    | DeleteJob
    | StopWorkload
    | StartWorkload
    | ExplainWorkload
    | ProbeOnce
    | CleanUp
)
