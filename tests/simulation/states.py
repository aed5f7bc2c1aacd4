"""States of containers as the kubelet reports them."""

from __future__ import annotations

import json
from typing import Any

Json = dict[str, Any]


def terminated(code: int, report: Json | None, reason: str = "") -> Json:
    """A container's state after its end, with the report of a program."""
    state: Json = {"exitCode": code, "reason": reason or ("Completed" if code == 0 else "Error")}
    if report is not None:
        state["message"] = json.dumps(report)
    return {"terminated": state}
