"""A cluster as the tests use it: kubectl for people's commands, plain HTTP for exact answers and for waiting."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import urllib3
import yaml

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
LOCALKUBE = ROOT / "hack" / "localkube"
COMMAND_SECONDS = 300
REQUEST_SECONDS = 30
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
"""The Accept header by which the API server answers with printer columns."""


class CommandError(AssertionError):
    """A command failed; the message holds what it was given, and what it said."""


@dataclass(frozen=True)
class Answer:
    """An answer of the API server, its body read as JSON."""

    status: int
    body: Json

    @property
    def problems(self) -> list[tuple[str, str]]:
        """Field and message of everything that was refused."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(cause.get("field", ""), cause["message"]) for cause in causes]


def run(
    command: Sequence[str], *, environ: dict[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command from the project's folder; the caller looks at the exit code."""
    return subprocess.run(
        command,
        input=stdin,
        env=environ,
        text=True,
        capture_output=True,
        cwd=ROOT,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def checked(command: Sequence[str], *, environ: dict[str, str] | None = None, stdin: str | None = None) -> str:
    """Run a command and return its stdout. Raises CommandError for an exit code other than 0."""
    done = run(command, environ=environ, stdin=stdin)
    if done.returncode:
        raise CommandError(f"{' '.join(command)[:500]}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Cluster:
    """A cluster by its name and kubeconfig; the kubeconfig's folder takes its certificates."""

    name: str
    kubeconfig: Path
    environ: dict[str, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        tools = checked([str(LOCALKUBE), "tools", "kubectl", "helm"]).strip()
        self.environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig)}
        self._server, self._pool = self._connect()

    def kubectl(self, *args: str, stdin: str | None = None) -> str:
        """Run kubectl and return its stdout. Raises CommandError with what it says."""
        return checked(["kubectl", *args], environ=self.environ, stdin=stdin)

    def try_kubectl(self, *args: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run kubectl; the caller looks at the exit code."""
        return run(["kubectl", *args], environ=self.environ, stdin=stdin)

    def helm(self, *args: str) -> str:
        """Run Helm and return its stdout. Raises CommandError with what it says."""
        return checked(["helm", *args], environ=self.environ)

    def request(
        self, method: str, path: str, body: Json | None = None, *, accept: str = "application/json", content: str = ""
    ) -> Answer:
        """Send one request to the API server; `path` may have a query. A PATCH is a merge patch unless told else."""
        kind = content or ("application/merge-patch+json" if method == "PATCH" else "application/json")
        answer = self._pool.request(
            method,
            self._server + path,
            body=json.dumps(body) if body is not None else None,
            headers={"Accept": accept, "Content-Type": kind},
            timeout=REQUEST_SECONDS,
            retries=False,
        )
        return Answer(answer.status, _json(answer.data))

    def get(self, path: str) -> Json | None:
        """GET an object; None where there is none. Raises CommandError for any other answer."""
        answer = self.request("GET", path)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise CommandError(f"GET {path}: {answer.status} {answer.body.get('message', '')}")
        return answer.body

    def _connect(self) -> tuple[str, urllib3.PoolManager]:
        config = yaml.safe_load(self.kubeconfig.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        pool = urllib3.PoolManager(
            maxsize=8,
            ca_certs=self._file(cluster, "certificate-authority"),
            cert_file=self._file(user, "client-certificate"),
            key_file=self._file(user, "client-key"),
        )
        return str(cluster["server"]), pool

    def _file(self, part: Json, name: str) -> str:
        if name in part:
            return str(part[name])
        path = self.kubeconfig.parent / f"{name}.pem"
        path.touch(0o600)
        path.write_bytes(base64.b64decode(part[f"{name}-data"]))
        return str(path)


def _json(data: bytes) -> Json:
    """Read an answer. A path that no API serves (yet) is answered in plain text, or with nothing."""
    try:
        found: Json = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace")}
    return found
