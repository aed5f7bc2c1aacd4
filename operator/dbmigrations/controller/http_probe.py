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
            return judge_answer(probe, answer.status, await _body(answer.content))
    except TimeoutError:
        return False, f"GET {probe.path}: no answer within {TIMEOUT:.0f} s"
    except aiohttp.ClientError as error:
        return False, f"GET {probe.path}: {type(error).__name__}"


async def _body(content: aiohttp.StreamReader) -> bytes:
    """Read to the end, or to the limit; one read returns only what has arrived by then."""
    found = b""
    while len(found) < MAX_BYTES and (part := await content.read(MAX_BYTES - len(found))):
        found += part
    return found


def judge_answer(probe: HttpProbe, status: int, body: bytes) -> tuple[bool, str]:
    """Compare one answer with what the manifest expects."""
    if status != probe.status:
        return False, f"GET {probe.path}: {status} instead of {probe.status}"
    if probe.expect is None:
        return True, f"GET {probe.path}: {status}"
    try:
        found: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False, f"GET {probe.path}: {status}, but the answer is no JSON"
    if not isinstance(found, dict):
        return False, f"GET {probe.path}: {status}, but the answer is no JSON object"
    wrong = [key for key, value in probe.expect.items() if key not in found or not _same(value, found[key])]
    if wrong:
        return False, f"GET {probe.path}: {status}, but not as expected in: {', '.join(wrong)}"
    return True, f"GET {probe.path}: {status} with the expected JSON"


def _same(wanted: Any, found: Any) -> bool:
    """Compare as JSON means it: to Python, true is 1."""
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, dict) and isinstance(found, dict):
        return wanted.keys() == found.keys() and all(_same(value, found[key]) for key, value in wanted.items())
    if isinstance(wanted, list) and isinstance(found, list):
        return len(wanted) == len(found) and all(map(_same, wanted, found))
    return bool(wanted == found)
