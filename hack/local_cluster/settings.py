"""Where things are kept. Everything here may be moved by the environment; nothing lies in the checkout."""

from __future__ import annotations

import os
from pathlib import Path

HACK = Path(__file__).resolve().parent.parent
IMAGES = HACK / "images"


def cache_root() -> Path:
    """Binaries and images by version: shared by all checkouts, kept by `delete`, safe to remove at any time."""
    given = os.environ.get("LOCALKUBE_CACHE")
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dbmigrations"


def state_root() -> Path:
    """One folder for each cluster: its data, logs and keys. `delete` removes a cluster's folder."""
    return Path(os.environ.get("LOCALKUBE_STATE") or "/var/lib/dbmigrations-localkube")


def verbose() -> bool:
    """Whether the output of the programs that are called is shown as it comes."""
    return os.environ.get("LOCALKUBE_VERBOSE", "") not in ("", "0")


def audit() -> bool:
    """Whether new clusters write an audit log (Metadata level) of every request to the API server."""
    return os.environ.get("LOCALKUBE_AUDIT", "") not in ("", "0")
