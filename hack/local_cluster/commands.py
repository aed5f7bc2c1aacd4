"""Calling other programs: quiet when all is well, precise when not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import CommandError
from .settings import verbose

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# `su` without a dash leaves root with a PATH in which neither nft nor ip is found.
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def environment(**more: str) -> dict[str, str]:
    """The caller's environment with the system's folders at the end of PATH, in English."""
    path = os.environ.get("PATH", "")
    return {**os.environ, "PATH": f"{path}:{SYSTEM_PATH}" if path else SYSTEM_PATH, "LC_ALL": "C.UTF-8", **more}


def run(
    args: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
    now: str = "",
    timeout: float | None = None,
) -> str:
    """Run to the end and return stdout.

    Raises CommandError with the last line that the program wrote to stderr.
    """
    command = [str(arg) for arg in args]
    try:
        done = subprocess.run(
            command, env=env or environment(), cwd=cwd, input=stdin, text=True, capture_output=True, check=False,
            timeout=timeout, stdin=subprocess.DEVNULL if stdin is None else None,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise CommandError(f"{command[0]} is not there", now=now or "install it, or look at PATH") from error
    except subprocess.TimeoutExpired as error:
        raise CommandError(f"`{_short(command)}` did not end within {timeout:.0f} s", now=now) from error
    if done.returncode != 0:
        raise CommandError(
            f"`{_short(command)}` ended with {done.returncode}: {_last_line(done.stderr or done.stdout)}", now=now
        )
    return done.stdout


def succeeds(args: Sequence[str | Path], *, timeout: float | None = None) -> bool:
    """Whether a command ends with 0; a missing program or a timeout counts as no."""
    try:
        done = subprocess.run(
            [str(arg) for arg in args], env=environment(), check=False, timeout=timeout,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def run_logged(
    args: Sequence[str | Path],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    now: str = "",
    tail: int = 0,
    dies_with_us: bool = False,
) -> None:
    """Run a long command with its output in a log file (and on stderr if LOCALKUBE_VERBOSE is set).

    On failure the last `tail` lines are shown, and the error names the log. With `dies_with_us` the kernel ends it when
    this process is killed, so that a next attempt does not meet it at work.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(arg) for arg in args]
    if dies_with_us and shutil.which("setpriv", path=environment()["PATH"]):
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    with log.open("w", encoding="utf-8", errors="replace") as out:
        process = subprocess.Popen(
            command, env=env or environment(), cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        )  # fmt: skip
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                out.write(line)
                out.flush()
                if verbose():
                    sys.stderr.write(line)
    if process.returncode != 0:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        if tail and not verbose():
            sys.stderr.write("".join(f"   | {line}\n" for line in lines[-tail:]))
        last = lines[-1].strip() if lines else "it said nothing"
        raise CommandError(f"`{_short(command)}` ended with {process.returncode}: {last}", now=now, log=log)


def _short(command: Sequence[str]) -> str:
    words = [Path(command[0]).name, *command[1:]]
    text = " ".join(words)
    return text if len(text) <= 120 else text[:117] + "..."


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it said nothing"
