"""One JSON line a step on stdout, without secrets."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dbmigrations.runner.redact import Redactor


class Log:
    """Writes lines like ``{"time": …, "step": "upload", "message": …, …}``."""

    def __init__(self, redactor: Redactor) -> None:
        self.redactor = redactor

    def step(self, step: str, message: str, **fields: object) -> None:
        """What was done or is waited for, with its numbers."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"time": now, "step": step, "message": message, **fields}
        print(json.dumps(self.redactor.value(line), ensure_ascii=False, default=str), file=sys.stdout, flush=True)
