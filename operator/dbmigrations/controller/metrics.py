"""Prometheus metrics. Names follow the Prometheus conventions: seconds and bytes, _total for counters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

if TYPE_CHECKING:
    from dbmigrations.api.status import Status

LABELS = ("namespace", "name")


class Metrics:
    """All metrics of the process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        registry = self.registry
        self._runs = Counter("dbmigrations_runs_total", "Runs that ended", ["outcome", "reason"], registry=registry)
        self._stalled = Gauge("dbmigrations_stalled", "1 while a person is needed", LABELS, registry=registry)
        self._stopped = Gauge(
            "dbmigrations_application_stopped", "1 while a run holds the application down", LABELS, registry=registry
        )
        self._downtime = Histogram(
            "dbmigrations_downtime_seconds",
            "First scale PATCH to last workload ready",
            buckets=(1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 4 * 3600),
            registry=registry,
        )
        self._backup = Gauge(
            "dbmigrations_backup_size_bytes", "Size of the last verified dump", LABELS, registry=registry
        )
        self._steps = Histogram(
            "dbmigrations_step_seconds",
            "Duration of a step",
            ["step"],
            buckets=(0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600),
            registry=registry,
        )
        self._refused = Counter(
            "dbmigrations_api_refusals_total", "Effects that the API server refused", ["status"], registry=registry
        )
        self._passes = Counter("dbmigrations_passes_total", "Passes that wrote something", registry=registry)

    def show(self, key: tuple[str, str], status: Status) -> None:
        """Show how a resource stands: at every pass, so that what stands still is there after a restart too."""
        if status.run is None:
            return
        self._stalled.labels(*key).set(status.conditions.is_true("Stalled"))
        self._stopped.labels(*key).set(bool(status.run.down_since and not status.run.downtime))
        if status.run.backup:
            self._backup.labels(*key).set(status.run.backup.size_bytes)

    def count(self, old: Status, new: Status) -> None:
        """Count what changed between two statuses of a resource."""
        self._passes.inc()
        run, before = new.run, old.run
        if run is None:
            return
        ended = not run.active and (before is None or before.active or before.id != run.id)
        if ended:
            self._runs.labels(run.outcome, new.conditions.get("Ready").reason).inc()
            for step, seconds in run.seconds.items():
                self._steps.labels(step).observe(seconds)
            if run.downtime:
                self._downtime.observe(run.downtime_seconds)

    def refused(self, status: int) -> None:
        """Count an effect that the API server refused; 0 for no answer."""
        self._refused.labels(str(status)).inc()

    def forget(self, key: tuple[str, str]) -> None:
        """Remove the series of a resource that is gone."""
        for gauge in (self._stalled, self._stopped, self._backup):
            if key in gauge._metrics:
                gauge.remove(*key)
