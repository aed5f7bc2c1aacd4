"""What the application takes from Secrets as a whole (envFrom).

Its own variables do not tell where they come from, so the operator gives Inspect a second copy of them, under a prefix
of ours: ``DBM_SECRET_0_<prefix of the application's own><key>``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dbmigrations.runner.connection import Target

_COPY = re.compile(r"DBM_SECRET_\d+_")
_PUBLIC = ("host", "port", "user", "dbname")


def names(environ: Mapping[str, str]) -> list[str]:
    """The application's variables that come from such Secrets, sorted."""
    return sorted({_COPY.sub("", name, count=1) for name in environ if _COPY.match(name)})


def values(environ: Mapping[str, str], target: Target) -> list[str]:
    """What must not be shown: their values, but for the database's address, without which no message would help."""
    public = {target.params.get(key) for key in _PUBLIC}
    return [value for name, value in environ.items() if _COPY.match(name) and value not in public]
