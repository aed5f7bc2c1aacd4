"""Liveness, readiness and metrics over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrations.controller.metrics import Metrics


async def serve(port: int, metrics: Metrics, alive: Callable[[], str], ready: Callable[[], str]) -> web.AppRunner:
    """Start the server; `alive` and `ready` return what is wrong, or nothing. The caller cleans the runner up."""

    async def healthz(_request: web.Request) -> web.Response:
        return _answer(alive())

    async def readyz(_request: web.Request) -> web.Response:
        return _answer(alive() or ready())

    async def show(_request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", show)])
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the kubelet and Prometheus come from outside
    return runner


def _answer(wrong: str) -> web.Response:
    return web.json_response({"status": wrong or "ok"}, status=503 if wrong else 200)
