"""The operator's own request: what counts as the expected answer, and a real server that behaves badly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web

from dbmigrations.api.spec import HttpProbe
from dbmigrations.controller import http_probe
from dbmigrations.controller.http_probe import judge_answer, probe_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

EXPECTED = {"status": "ready", "database": "connected"}
READY = b'{"status": "ready", "database": "connected", "version": "1.5.0"}'


def probe(port: int = 8000, path: str = "/readyz", expect: dict[str, Any] | None = EXPECTED) -> HttpProbe:
    return HttpProbe("shop-api", port, path, 200, expect)


@pytest.mark.parametrize(
    ("status", "body", "healthy", "words"),
    [
        (200, READY, True, "200 with the expected JSON"),
        (503, READY, False, "503 instead of 200"),
        (301, b"", False, "301 instead of 200"),
        (200, b"<html>", False, "no JSON"),
        (200, b"", False, "no JSON"),
        (200, b"\xff\xfe\xfa", False, "no JSON"),
        (200, b"[" * 60_000, False, "no JSON"),
        (200, b"[1]", False, "no JSON object"),
        (200, b'{"status": "ready"}', False, "not as expected in: database"),
        (200, b'{"status": "starting", "database": "away"}', False, "status, database"),
    ],
)
def test_an_answer_is_judged(status: int, body: bytes, healthy: bool, words: str) -> None:
    found, said = judge_answer(probe(), status, body)
    assert found is healthy
    assert words in said
    assert "starting" not in said, "an answer may hold anything: it is never repeated"


@pytest.mark.parametrize(
    ("wanted", "body", "healthy"),
    [
        (True, b'{"x": true}', True),
        (True, b'{"x": 1}', False),
        (1, b'{"x": true}', False),
        (0, b'{"x": false}', False),
        (1, b'{"x": 1.0}', True),
        (None, b"{}", False),
        (None, b'{"x": null}', True),
        ({"a": [1, True]}, b'{"x": {"a": [1, true]}}', True),
        ({"a": [1, True]}, b'{"x": {"a": [1, 1]}}', False),
        ({"a": 1}, b'{"x": {"a": 1, "b": 2}}', False),
    ],
)
def test_values_are_compared_as_json_means_them(wanted: Any, body: bytes, healthy: bool) -> None:
    assert judge_answer(probe(expect={"x": wanted}), 200, body)[0] is healthy


def test_any_answer_will_do_where_none_is_named() -> None:
    assert judge_answer(probe(expect=None), 200, b"\x00")[0]


async def good(_request: web.Request) -> web.StreamResponse:
    return web.Response(body=READY)


async def away(_request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/readyz")


async def hangs(request: web.Request) -> web.StreamResponse:
    await request.app[RELEASE].wait()
    return web.Response(body=READY)


async def parts(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for at in range(0, len(READY), 8):
        await answer.write(READY[at : at + 8])
        await asyncio.sleep(0)
    await answer.write_eof()
    return answer


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    with contextlib.suppress(ConnectionError):
        while not request.app[RELEASE].is_set():
            await answer.write(b" " * 65536)
    return answer


RELEASE = web.AppKey("release", asyncio.Event)
ROUTES = {"/readyz": good, "/away": away, "/hangs": hangs, "/parts": parts, "/endless": endless}


async def resolve(_loop: Any, _host: str, port: Any, **_: Any) -> list[Any]:
    """Find the Service's name on this machine."""
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


@pytest_asyncio.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[int, list[str]]]:
    """A server under the Service's name, and the paths that were asked for."""
    asked: list[str] = []

    @web.middleware
    async def note(request: web.Request, handler: Callable[..., Awaitable[web.StreamResponse]]) -> web.StreamResponse:
        asked.append(request.path_qs)
        return await handler(request)

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)
    application = web.Application(middlewares=[note])
    application[RELEASE] = asyncio.Event()
    application.add_routes([web.get(path, handler) for path, handler in ROUTES.items()])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        await web.SockSite(runner, free).start()
        yield free.getsockname()[1], asked
        application[RELEASE].set()
        await runner.cleanup()


async def test_a_healthy_application_is_seen_as_such(server: tuple[int, list[str]]) -> None:
    port, asked = server
    assert await probe_once("shop", probe(port, "/readyz?full=1")) == (
        True,
        "GET /readyz?full=1: 200 with the expected JSON",
    )
    assert asked == ["/readyz?full=1"]


async def test_a_redirect_is_not_followed(server: tuple[int, list[str]]) -> None:
    port, asked = server
    assert await probe_once("shop", probe(port, "/away")) == (False, "GET /away: 302 instead of 200")
    assert asked == ["/away"]


async def test_an_answer_in_parts_is_read_to_its_end(server: tuple[int, list[str]]) -> None:
    assert (await probe_once("shop", probe(server[0], "/parts")))[0]


async def test_a_server_that_hangs_is_not_waited_for(
    server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_probe, "TIMEOUT", 0.2)
    healthy, words = await probe_once("shop", probe(server[0], "/hangs"))
    assert not healthy
    assert "no answer within" in words


async def test_an_endless_answer_is_cut(server: tuple[int, list[str]]) -> None:
    healthy, words = await probe_once("shop", probe(server[0], "/endless"))
    assert not healthy
    assert "no JSON" in words


async def test_nobody_there_is_an_answer_too(server: tuple[int, list[str]]) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    healthy, words = await probe_once("shop", probe(port))
    assert not healthy
    assert "ClientConnectorError" in words
