"""Durations: how they are written, and where 0s means something."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.table.rows import Row, at, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

DURATION = "write a duration as 90s, 30m, 2h or 1h30m, in whole numbers, each with s, m or h (a day is 24h)"
WEEK = "write a shorter one: at most 168h (seven days)"
POSITIVE = "0s would give it no time at all; write a longer one"
NOT_DURATIONS = ("", "90", "1d", "1w", "1.5h", "-5m", "5 m", " 5m", "5m ", "5M", "500ms", "PT5M", "m", "1234567s")
ZERO_MEANS_SOMETHING = ("migration.lockTimeout", "migration.statementTimeout", "sessions.timeout")
ZERO_IS_REFUSED = ("migration.timeout", "resume.timeout", "backup.timeout", "probe.interval", "probe.timeout")
SECONDS_IN_A_WEEK = 7 * 24 * 3600


def durations() -> Iterator[Row]:
    for field in ZERO_MEANS_SOMETHING + ZERO_IS_REFUSED:
        yield from at(field, too_long(12), (90, 'must be of type string: "integer"'))
        yield from at(field, *((text, DURATION) for text in NOT_DURATIONS))
        if field != "probe.interval":  # there, a rule with timeout speaks as well
            yield from at(field, ("169h", WEEK), ("168h1s", WEEK), (f"{SECONDS_IN_A_WEEK + 1}s", WEEK))
    for field in ZERO_IS_REFUSED:
        yield from at(field, ("0s", POSITIVE), ("0h", POSITIVE), ("0h0m0s", POSITIVE))
    # Alone, these would break the rule that binds both to the number of successes.
    yield {"probe.interval": "169h", "probe.successes": 1}, "probe.interval", WEEK
