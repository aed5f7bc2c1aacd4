"""The throwaway server of a rehearsal, as load and report see it: by its socket, as its superuser.

The application comes by TCP and as its own role; that is how its sessions are told from ours.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from dbmigrations.runner import database, pgtools
from dbmigrations.runner.connection import Target
from dbmigrations.runner.errors import DatabaseError, RehearsalError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dbmigrations.runner.config import Rehearsal
    from dbmigrations.runner.database import Connection

SUPERUSER = "dbmigrations_scratch"
"""Also known to the server's start script, dbmigrations/manifests/scratch.py."""
_START_SECONDS = 60.0
_POLL_SECONDS = 0.05
_IMAGE_HINT = "Look at the log of the container scratch, or set spec.rehearsal.image to another image with a server."


def target(rehearsal: Rehearsal, name: str, role: str = SUPERUSER) -> Target:
    """A database of the scratch server."""
    params = {
        "host": str(Path(rehearsal.folder) / "socket"),
        "port": str(rehearsal.port),
        "user": role,
        "dbname": name,
    }
    return Target(params, "postgresql")


@contextmanager
def session(rehearsal: Rehearsal, name: str, program: str, role: str = SUPERUSER) -> Iterator[Connection]:
    """A connection that is closed at the end. Raises DatabaseError."""
    with without_libpq_variables():
        connection = database.connect(target(rehearsal, name, role), program)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def without_libpq_variables() -> Iterator[None]:
    """The application's PGHOSTADDR, PGOPTIONS or PGSERVICE lead to the real database, and cannot be overridden."""
    hidden = {key: value for key, value in os.environ.items() if key.startswith("PG")}
    for key in hidden:
        del os.environ[key]
    try:
        yield
    finally:
        os.environ.update(hidden)


def environment(program: str) -> dict[str, str]:
    """For programs that connect to the scratch server."""
    return {**pgtools.base_environment(), "PGAPPNAME": f"{database.APPLICATION_PREFIX}{program}"}


def wait_until_ready(rehearsal: Rehearsal, seconds: float = _START_SECONDS) -> None:
    """Return when it accepts connections. Raises RehearsalError (ScratchFailed) when it will not."""
    deadline = time.monotonic() + seconds
    failed = Path(rehearsal.folder) / "settings" / "failed"
    while True:
        if failed.exists():
            said = failed.read_text(errors="replace").strip()
            raise RehearsalError("ScratchFailed", f"The scratch server did not start: {said}.", _IMAGE_HINT)
        try:
            with session(rehearsal, "template1", "load"):
                return
        except DatabaseError as error:
            if not error.transient:
                raise RehearsalError(
                    "ScratchFailed", f"The scratch server refuses its superuser: {error.message}", _IMAGE_HINT
                ) from None
            if time.monotonic() > deadline:
                raise RehearsalError(
                    "ScratchFailed",
                    f"The scratch server did not accept connections within {seconds:.0f} s: {error.message}",
                    _IMAGE_HINT,
                    transient=True,
                ) from None
        time.sleep(_POLL_SECONDS)
