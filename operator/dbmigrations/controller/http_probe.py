"""One HTTP request to a Service of the resource's namespace: no redirects, bounded in time and size."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from dbmigrations.api.spec import HttpProbe

TIMEOUT = 5.0
"""Seconds for one answer."""
MAX_BYTES = 64 * 1024
"""Bytes of an answer that are read."""


async def probe_once(namespace: str, probe: HttpProbe) -> tuple[bool, str]:
    """Return whether the answer was as expected, and what it was in words (never its body: it may hold anything)."""
    url = f"http://{probe.service}.{namespace}.svc:{probe.port}{probe.path}"
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=False) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            body = await answer.content.read(MAX_BYTES)
            return judge_answer(probe, answer.status, body)
    except TimeoutError:
        return False, f"GET {probe.path}: no answer within {TIMEOUT:.0f} s"
    except aiohttp.ClientError as error:
        return False, f"GET {probe.path}: {type(error).__name__}"


def judge_answer(probe: HttpProbe, status: int, body: bytes) -> tuple[bool, str]:
    """Compare one answer with what the manifest expects."""
    if status != probe.status:
        return False, f"GET {probe.path}: {status} instead of {probe.status}"
    if probe.expect is None:
        return True, f"GET {probe.path}: {status}"
    try:
        found: Any = json.loads(body)
    except ValueError:
        return False, f"GET {probe.path}: {status}, but the answer is no JSON"
    if not isinstance(found, dict):
        return False, f"GET {probe.path}: {status}, but the answer is no JSON object"
    wrong = [key for key, value in probe.expect.items() if found.get(key) != value]
    if wrong:
        return False, f"GET {probe.path}: {status}, but not as expected in: {', '.join(wrong)}"
    return True, f"GET {probe.path}: {status} with the expected JSON"
