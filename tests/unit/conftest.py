"""Hypothesis without a deadline per example (the machine may be busy), and with the same examples everywhere."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", max_examples=30, deadline=None, derandomize=True)
settings.load_profile("unit")
