"""Running the command as a user does, and programs that stand in for docker, kind and go."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

HACK = Path(__file__).resolve().parents[2] / "hack"
LOCALKUBE = HACK / "localkube"

STUB = """\
#!/bin/sh
{{ echo {name}; for word in "$@"; do echo "$word"; done; echo; }} >> "{record}"
{body}
"""


@dataclass(frozen=True)
class Stubs:
    """A folder of stand-ins for the front of PATH, and what they were called with."""

    folder: Path
    record: Path

    def add(self, name: str, body: str = "exit 0") -> None:
        """Put a program there that records its arguments and then runs a line of shell."""
        program = self.folder / name
        program.write_text(STUB.format(name=name, record=self.record, body=body))
        program.chmod(0o755)

    @property
    def calls(self) -> list[list[str]]:
        """Each call as the program's name and its arguments, in order."""
        if not self.record.exists():
            return []
        return [call.split("\n") for call in self.record.read_text().removesuffix("\n\n").split("\n\n")]


def localkube(*arguments: str | Path, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user does; the exit code is the test's to judge."""
    return subprocess.run(
        [LOCALKUBE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        env={**os.environ, **environment},
    )
