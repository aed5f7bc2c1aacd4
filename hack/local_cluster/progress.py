"""One line a step on stderr, with its duration; stdout is kept for answers that scripts read."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

HEARTBEAT_SECONDS = 30.0


def say(text: str) -> None:
    """Print one line for people."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(title: str, *, quick: bool = False) -> Iterator[None]:
    """Announce a step, say every half minute that it still runs, and end with how long it took.

    A quick step is only told when it is over, so that steps of milliseconds take one line and not two.
    """
    began = time.monotonic()
    if not quick:
        say(f" • {title} …")
    over = threading.Event()
    watcher = threading.Thread(target=_heartbeat, args=(title, began, over), daemon=True)
    watcher.start()
    try:
        yield
    except BaseException:
        say(f" ✗ {title} ({time.monotonic() - began:.1f} s)")
        raise
    else:
        say(f" ✓ {title} ({time.monotonic() - began:.1f} s)")
    finally:
        over.set()
        watcher.join()


def _heartbeat(title: str, began: float, over: threading.Event) -> None:
    while not over.wait(HEARTBEAT_SECONDS):
        say(f"   {title}: still working, {time.monotonic() - began:.0f} s")
