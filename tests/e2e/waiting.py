"""Waiting for a state with a deadline, and what is shown when it does not come: nobody should have to run it again."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.app import App

Json = dict[str, Any]
T = TypeVar("T")
INTERVAL = 0.3
"""Seconds between two looks."""


class TooLateError(AssertionError):
    """What was waited for did not come; the message says what was there instead."""


def until(what: str, look: Callable[[], T | None], timeout: float, tell: Callable[[], str] = lambda: "") -> T:
    """Return the first value of `look` that is neither None nor False. Raises TooLateError with what `tell` says."""
    deadline = time.monotonic() + timeout
    while True:
        found = look()
        if found is not None and found is not False:
            return found
        if time.monotonic() >= deadline:
            raise TooLateError(f"not within {timeout:.0f} s: {what}\n{tell()}")
        time.sleep(INTERVAL)


def report(app: App, name: str = "m") -> str:
    """Return conditions, events, Pods and the operator's last lines about a resource."""
    found = app.find(name)
    lines = [f"--- {app.namespace}/{name}"]
    if found is None:
        lines.append("the resource does not exist")
    else:
        status = found["status"]
        run = status.get("run", {})
        lines.append(f"phase {status.get('phase')}, run {run.get('id')}, step {run.get('step')}, {run.get('outcome')}")
        lines.append(f"generation {found['metadata']['generation']}, observed {status.get('observedGeneration')}")
        lines += [_condition(item) for item in status.get("conditions", [])]
    lines += ["--- events", *(" ".join(event) for event in app.events(name))]
    lines += ["--- Pods", app.kubectl("get", "pods,jobs", "-o", "wide", check=False)]
    lines += [_waiting(pod) for pod in app.pods()]
    lines += ["--- operator", app.world.operator_log(app.namespace, 15)]
    return "\n".join(line for line in lines if line)


def _condition(item: Json) -> str:
    return f"{item['type']:15} {item['status']:8} {item['reason']}: {item['message']}"


def _waiting(pod: Json) -> str:
    """What keeps a Pod's containers from running, or how they ended."""
    status = pod.get("status", {})
    found = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    states = {c["name"]: c["state"] for c in found if "running" not in c.get("state", {})}
    return f"{pod['metadata']['name']}: {json.dumps(states)[:600]}" if states else ""
