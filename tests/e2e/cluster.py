"""The real cluster: kubectl for what changes something, plain HTTP for what is asked for again and again.

Waiting asks several times a second; a kubectl process each time would take more of a small machine than the cluster.
"""

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
    from collections.abc import Mapping

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
LOCALKUBE = ROOT / "hack" / "localkube"


class CommandError(AssertionError):
    """A command failed; the message holds what it was given, and what it said."""


def run(*command: str, env: Mapping[str, str] | None = None, text: str | None = None, check: bool = True) -> str:
    """Run a command and return its stdout. Raises CommandError for an exit code other than 0, unless not checked."""
    done = subprocess.run(command, input=text, env=env, text=True, capture_output=True, cwd=ROOT, check=False)
    if check and done.returncode:
        raise CommandError(f"{' '.join(command)[:500]}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@dataclass
class Cluster:
    """A cluster by its name and kubeconfig; `folder` takes the certificates of the kubeconfig."""

    name: str
    kubeconfig: Path
    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tools = run(str(LOCALKUBE), "tools", "kubectl", "helm").strip()
        self.environ = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig)}
        self._server, self._pool = self._connect()

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as in subprocess
        """Run kubectl and return its stdout."""
        return run("kubectl", *args, env=self.environ, text=input, check=check)

    def helm(self, *args: str) -> str:
        """Run Helm and return its stdout."""
        return run("helm", *args, env=self.environ)

    def apply(self, *objects: Json) -> str:
        """Apply objects in their order."""
        return self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))

    def get(self, path: str) -> Json | None:
        """GET a path of the API; None where nothing is there. Raises CommandError for any other answer."""
        answer = self._pool.request("GET", self._server + path, timeout=20.0)
        if answer.status == 404:
            return None
        if answer.status != 200:
            raise CommandError(f"GET {path}: {answer.status} {answer.data.decode()[:500]}")
        found: Json = json.loads(answer.data)
        return found

    def text(self, path: str) -> str:
        """GET a path that is no JSON, such as a log; empty where it cannot be had."""
        answer = self._pool.request("GET", self._server + path, timeout=20.0)
        return str(answer.data.decode(errors="replace")) if answer.status == 200 else ""

    def list(self, path: str) -> list[Json]:
        """GET the items of a list."""
        found = self.get(path)
        return list(found["items"]) if found else []

    def _connect(self) -> tuple[str, urllib3.PoolManager]:
        config = yaml.safe_load(self.kubeconfig.read_text())
        context = next(c["context"] for c in config["contexts"] if c["name"] == config["current-context"])
        cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == context["cluster"])
        user = next(u["user"] for u in config["users"] if u["name"] == context["user"])
        pool = urllib3.PoolManager(
            maxsize=16,
            ca_certs=self._file(cluster, "certificate-authority"),
            cert_file=self._file(user, "client-certificate"),
            key_file=self._file(user, "client-key"),
        )
        return str(cluster["server"]), pool

    def _file(self, part: Json, name: str) -> str:
        if name in part:
            return str(part[name])
        path = self.folder / f"{name}.pem"
        path.touch(0o600)
        path.write_bytes(base64.b64decode(part[f"{name}-data"]))
        return str(path)


def bring_up(name: str, folder: Path) -> Cluster:
    """Return the cluster of that name, and make it where there is none. Raises CommandError."""
    kubeconfig = folder / "kubeconfig"
    if name not in run(str(LOCALKUBE), "get", "clusters", check=False).split():
        run(str(LOCALKUBE), "create", "cluster", "--name", name, "--kubeconfig", str(kubeconfig))
    kubeconfig.touch(0o600)
    kubeconfig.write_text(run(str(LOCALKUBE), "get", "kubeconfig", "--name", name))
    return Cluster(name, kubeconfig, folder)
