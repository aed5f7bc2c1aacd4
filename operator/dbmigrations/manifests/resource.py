"""Which resource something is built for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Resource:
    """A DatabaseMigration's identity. An object re-created under the same name has another uid."""

    namespace: str
    name: str
    uid: str
