"""``python -I -m dbmigrations.runner <inspect|backup|gate|guard|load|report>``.

Exit code 0: done. 1: failed for a reason that the result names. 2: a bug (reason InternalError).
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import config as configuration
from dbmigrations.runner import context, result
from dbmigrations.runner.errors import ConfigError, RunnerError, Stop
from dbmigrations.runner.logs import Log
from dbmigrations.runner.redact import Redactor

if TYPE_CHECKING:
    from collections.abc import Callable

    from dbmigrations.runner.context import Context

_S3_SECRETS = ("DBM_S3_SECRET_ACCESS_KEY", "DBM_S3_SESSION_TOKEN", "DBM_S3_ACCESS_KEY_ID")


def main(arguments: list[str]) -> int:
    """Run one program and leave its result."""
    redactor = Redactor(os.environ.get(name, "") for name in _S3_SECRETS)
    log = Log(redactor)
    code, message = _run(arguments, log)
    log.step("result", "done" if code == 0 else "failed", result=message.decode())
    try:
        result.deliver(message)
    except OSError as error:
        log.step("result", f"the result could not be written: {error}")
        return 2
    return code


def _run(arguments: list[str], log: Log) -> tuple[int, bytes]:
    try:
        facts = _program(arguments, log)
    except RunnerError as error:
        return (2 if error.reason == "InternalError" else 1), result.failure(error, log.redactor)
    except Stop as stop:
        return 1, result.failure(stop.error, log.redactor)
    except Exception as error:
        context.ignore_signals()
        log.step("bug", "unexpected error", traceback=traceback.format_exc())
        bug = RunnerError(
            "InternalError", f"{type(error).__name__}: {error}", "This is a bug: please report it with the Pod's log."
        )
        return 2, result.failure(bug, log.redactor)
    return 0, result.success(facts)


def _program(arguments: list[str], log: Log) -> dict[str, Any]:
    config = configuration.parse(os.environ.get("DBM_CONFIG", ""))
    if arguments != [config.program]:
        asked = " ".join(arguments) or "nothing"
        raise ConfigError("InvalidConfig", f"DBM_CONFIG is for {config.program}, but {asked} was asked for.")
    run = _find(config.program)
    if config.program not in ("guard", "report"):
        # For those two SIGTERM is the regular end of their work.
        context.stop_on_signals(config.deadline_seconds)
    log.step(config.program, "started", run=config.run, attempt=config.attempt)
    return run(context.build(config, os.environ, log))


def _find(program: str) -> Callable[[Context], dict[str, Any]]:
    # Each program imports only what it needs: the guard sits next to the application all the time.
    if program == "inspect":
        from dbmigrations.runner.inspect import run
    elif program == "backup":
        from dbmigrations.runner.backup import run
    elif program == "gate":
        from dbmigrations.runner.gate import run
    elif program == "load":
        from dbmigrations.runner.load import run
    elif program == "report":
        from dbmigrations.runner.report import run
    else:
        from dbmigrations.runner.guard import run
    return run


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    # Threads may still wait on a network that is gone: the result is written, nothing else matters.
    os._exit(exit_code)
