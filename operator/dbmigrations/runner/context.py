"""What every program works with, and how it is told to stop."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dbmigrations.runner import connection, scratch, secrets
from dbmigrations.runner.errors import Interrupted, Stop

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import FrameType

    from dbmigrations.runner.config import Config
    from dbmigrations.runner.connection import Target
    from dbmigrations.runner.logs import Log

# Left for cleaning up and for the result, before the Job's own deadline ends everything.
_CLEAN_UP_SECONDS = 20.0


@dataclass(frozen=True)
class Context:
    """Instructions, the database's address, and where to say what is done."""

    config: Config
    target: Target
    log: Log


def build(config: Config, environ: Mapping[str, str], log: Log) -> Context:
    """Resolve the application's variables; their secrets are never printed from here on. Raises ConfigError.

    What reports on a rehearsal has no such variables: its database is the one on the scratch server.
    """
    if config.program == "report":
        assert config.rehearsal is not None
        return Context(config, scratch.target(config.rehearsal, config.rehearsal.database), log)
    names = config.connection
    log.redactor.add(environ.get(names.url), environ.get(names.password), environ.get("PGPASSWORD"))
    target = connection.resolve(names, environ)
    log.redactor.add(*target.secrets, *secrets.values(environ, target))
    if target.ignored:
        log.step("connection", "options of the URL that only concern the driver were left out", options=target.ignored)
    return Context(config, target, log)


def stop_on_signals(deadline_seconds: float) -> None:
    """Turn SIGTERM and the deadline into a Stop, raised in the main thread; only the first one counts."""

    def stop(number: int, _frame: FrameType | None) -> None:
        ignore_signals()
        raise Stop(_deadline(deadline_seconds) if number == signal.SIGALRM else _told_to_stop())

    _on(signal.SIGTERM, stop)
    _on(signal.SIGINT, stop)
    _on(signal.SIGALRM, stop)
    if deadline_seconds:
        signal.setitimer(signal.ITIMER_REAL, max(1.0, deadline_seconds - _CLEAN_UP_SECONDS))


def ignore_signals() -> None:
    """For the time of cleaning up."""
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, signal.SIG_IGN)


def _on(number: signal.Signals, handler: Callable[[int, FrameType | None], None]) -> None:
    signal.signal(number, handler)


def _deadline(seconds: float) -> Interrupted:
    return Interrupted(
        "DeadlineExceeded",
        f"It was not done within {seconds:.0f} s.",
        "Raise the step's timeout in the manifest, or look at what it waited for.",
    )


def _told_to_stop() -> Interrupted:
    why = "The Job was told to stop (SIGTERM): it was deleted, or its node is drained."
    return Interrupted("Interrupted", why, "It can be tried again.", transient=True)
