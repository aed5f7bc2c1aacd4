"""Finds helm and kubectl where a developer, CI or the project's own cluster keeps them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCALKUBE = ROOT / "hack" / "localkube"
BUILD_SECONDS = 900
"""Helm is built from its Go module where it is missing: about a minute, once."""


class ToolMissingError(Exception):
    """A program that the tests need is nowhere, and could not be built."""


def find(name: str) -> str:
    """Return the path of a program: $HELM or $KUBECTL, what `hack/localkube tools NAME` prints, or the PATH.

    Raises ToolMissingError with what was tried.
    """
    given = os.environ.get(name.upper())
    if given:
        return given
    tried = ""
    if LOCALKUBE.exists():
        command = [str(LOCALKUBE), "tools", name]
        answer = subprocess.run(command, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)
        for word in reversed(answer.stdout.replace("export PATH=", " ").replace(":", " ").split()):
            for path in (Path(word), Path(word) / name):
                if path.name == name and path.is_file() and os.access(path, os.X_OK):
                    return str(path)
        tried = f"`hack/localkube tools {name}` ended with {answer.returncode}: {answer.stderr.strip()[-500:]}; "
    found = shutil.which(name)
    if found:
        return found
    message = f"{tried}there is no {name} on the PATH either: install it, or set {name.upper()} to its path"
    raise ToolMissingError(message)
