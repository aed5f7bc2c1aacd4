"""Child processes whose output is read to the end while they run, and who never outlive us."""

from __future__ import annotations

import fcntl
import subprocess
import threading
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHUNK_BYTES = 256 * 1024
_STDERR_BYTES = 8192
_PIPE_BYTES = 1024 * 1024


class Child:
    """One program. stderr is drained by a thread, of which the first 8 KiB are kept."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], *, feed: bool = False) -> None:
        self.process = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE if feed else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            bufsize=0,
        )
        self._stderr = bytearray()
        self._threads = [threading.Thread(target=self._drain_stderr, daemon=True)]
        self._threads[0].start()
        for stream in (self.process.stdin, self.process.stdout):
            _widen(stream)

    def _drain_stderr(self) -> None:
        assert self.process.stderr is not None
        while data := self.process.stderr.read(4096):
            self._stderr += data[: _STDERR_BYTES - len(self._stderr)]

    def on_output(self, take: Callable[[bytes], None]) -> None:
        """Hand stdout to ``take`` by the chunk, in a thread of its own. What it raises is kept in ``trouble``."""
        self.trouble: Exception | None = None
        thread = threading.Thread(target=self._read_stdout, args=(take,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def _read_stdout(self, take: Callable[[bytes], None]) -> None:
        assert self.process.stdout is not None
        while data := self.process.stdout.read(CHUNK_BYTES):
            if self.trouble is None:
                try:
                    take(data)
                except Exception as error:
                    self.trouble = error

    def wait(self) -> tuple[int, str]:
        """Return code (negative: a signal) and what stood on stderr, once all output has been read."""
        code = self.process.wait()
        for thread in self._threads:
            thread.join()
        return code, self._stderr.decode("utf-8", "replace")

    def kill(self) -> None:
        """End it at once, whatever it does; does nothing if it has ended."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(timeout=5)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                _close(stream)


def _close(stream: IO[bytes]) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return


def _widen(stream: IO[bytes] | None) -> None:
    """Fewer switches between the processes; a system that allows no larger pipes keeps what it has."""
    if stream is not None:
        try:
            fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        except OSError:
            return
