"""Times as Kubernetes writes them: RFC 3339 in UTC, whole seconds in conditions, milliseconds in measurements."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """Return `2026-11-22T02:14:07Z`, as metav1.Time is written."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_micro(moment: datetime) -> str:
    """Return `2026-11-22T02:14:07.123456Z`, as metav1.MicroTime is written: for measuring durations."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def from_text(text: str) -> datetime:
    """Return the moment written in either form; raise ValueError for anything else."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def seconds_between(start: str, end: datetime) -> float:
    """Return the seconds from a written moment to another, never below 0 (clocks jump)."""
    return max(0.0, (end - from_text(start)).total_seconds())
