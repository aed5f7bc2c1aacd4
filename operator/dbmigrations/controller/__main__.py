"""Entry point: python -m dbmigrations.controller."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time

import kopf
from kopf._core.engines.peering import Identity
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from dbmigrations.cluster.client import KubernetesCluster
from dbmigrations.cluster.port import ApiError
from dbmigrations.controller.handlers import operator_settings, register
from dbmigrations.controller.http_probe import probe_once
from dbmigrations.controller.http_server import serve
from dbmigrations.controller.logs import set_up
from dbmigrations.controller.metrics import Metrics
from dbmigrations.controller.queue import WorkQueue
from dbmigrations.controller.reconcile import Key, Reconciler
from dbmigrations.controller.settings import OperatorSettings, SettingsError, read_settings

log = logging.getLogger("dbmigrations")

HEARTBEAT = 60.0
"""Seconds without a sign of life of the event loop after which the process says that it is not alive."""


async def client_configuration() -> Configuration:
    """Return how to reach Kubernetes: the Pod's service account, else the kubeconfig."""
    configuration = Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    return configuration


async def run(settings: OperatorSettings) -> None:
    """Run until a signal ends it."""
    metrics = Metrics()
    queue: WorkQueue[Key] = WorkQueue()
    stop, ready = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    registry = kopf.OperatorRegistry()
    register(registry, queue.add)
    async with ApiClient(await client_configuration()) as api:
        reconciler = Reconciler(KubernetesCluster(api), settings.runner, settings.machine, probe_once, metrics)
        beat = [time.monotonic()]
        server = await serve(
            settings.http_port,
            metrics,
            lambda: "" if time.monotonic() - beat[0] < HEARTBEAT else "the event loop stands still",
            lambda: "" if ready.is_set() else "not watching yet",
        )
        workers = [asyncio.create_task(work(queue, reconciler)) for _ in range(settings.workers)]
        workers.append(asyncio.create_task(heart(beat)))
        try:
            await kopf.operator(
                registry=registry,
                settings=operator_settings(),
                namespaces=settings.namespaces,
                clusterwide=not settings.namespaces,
                standalone=True,
                # Kopf would ask for the user's name, which an arbitrary user id does not have.
                identity=Identity("dbmigrations"),
                stop_flag=stop,
                ready_flag=ready,
            )
        finally:
            for task in workers:
                task.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await server.cleanup()


async def work(queue: WorkQueue[Key], reconciler: Reconciler) -> None:
    """Work for ever: a pass that fails is logged and tried again, with a growing pause."""
    while True:
        try:
            await queue.run(reconciler.once)
        except ApiError as error:
            log.warning("the API server did not answer as needed", extra={"fields": {"error": str(error)}})
        except Exception:
            log.exception("a pass failed: this is a bug; it is tried again")


async def heart(beat: list[float]) -> None:
    """Note that the event loop runs."""
    while True:
        beat[0] = time.monotonic()
        await asyncio.sleep(5)


def main() -> int:
    """Read the settings and run; return the exit code."""
    try:
        settings = read_settings()
    except SettingsError as error:
        print(f"dbmigrations: {error}", file=sys.stderr)
        return 2
    set_up(settings.log_level)
    log.info(
        "starting", extra={"fields": {"namespaces": settings.namespaces or "all", "runner": settings.runner.image}}
    )
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
