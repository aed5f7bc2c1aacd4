"""Durations as the manifest writes them (1h30m) and as people read them."""

from __future__ import annotations

import re

_PART = re.compile(r"([0-9]+)([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_duration(text: str) -> int:
    """Return the seconds of a duration such as `90s`, `30m` or `1h30m`.

    Raises ValueError for anything else; the CRD's pattern refuses it earlier.
    """
    if not re.fullmatch(r"([0-9]+[smh])+", text):
        raise ValueError(f"not a duration: {text!r} (write it as 90s, 30m or 1h30m)")
    return sum(int(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def format_seconds(seconds: float) -> str:
    """Return seconds for people: `0.4s`, `14s`, `3m05s`, `2h10m`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"
