"""What every folder of tests may ask for: the shared cluster (see tests/cluster)."""

from __future__ import annotations

pytest_plugins = ("tests.cluster.fixtures",)
