"""Time that passes only when the simulation says so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BEGINNING = datetime(2026, 11, 22, 2, 0, 0, tzinfo=UTC)


class Clock:
    """Seconds since the beginning, and the same as a moment in UTC."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return the moment."""
        return BEGINNING + timedelta(seconds=self.seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
