"""A database for each test, and the demonstration's application as a process of either release."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.servers import postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.postgres import Postgres

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "deploy" / "demo" / "app"
HISTORIES = ROOT / "tests" / "e2e" / "images" / "histories"


def run_python(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run this Python in a folder with extra variables; output comes back, whatever the exit code."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        timeout=300,  # seconds; the machine may be busy with a cluster
        check=False,
    )


def alembic(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return run_python("-m", "alembic", *arguments, cwd=cwd, **env)


@dataclass(frozen=True)
class Shop:
    """One release of the application, with its own copy of the tree as the image build leaves it."""

    version: str
    folder: Path
    url: str
    env: dict[str, str] = field(default_factory=dict)

    def alembic(self, *arguments: str) -> None:
        done = alembic(*arguments, cwd=self.folder, DATABASE_URL=self.url)
        assert done.returncode == 0, done.stderr

    def seed(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run_python("-m", "shop.seed", *arguments, cwd=self.folder, DATABASE_URL=self.url)

    @contextmanager
    def serving(self) -> Iterator[Client]:
        """Run the web server until the block ends."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "shop.web:app", "--port", str(port), "--log-level", "warning"],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "DATABASE_URL": self.url, "SHOP_VERSION": self.version},
        )
        try:
            client = Client(f"http://127.0.0.1:{port}")
            client.wait(process)
            yield client
        finally:
            process.terminate()
            process.wait(timeout=20)


@dataclass(frozen=True)
class Client:
    """Requests to one server; answers are (status, JSON)."""

    base: str

    def get(self, path: str) -> tuple[int, Any]:
        return self._send(urllib.request.Request(self.base + path))

    def post(self, path: str, body: bytes) -> tuple[int, Any]:
        return self._send(urllib.request.Request(self.base + path, data=body))

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            try:
                self.get("/healthz")
            except urllib.error.URLError:
                time.sleep(0.05)
            else:
                return
        raise AssertionError(f"the application did not start; its exit code: {process.poll()}")

    def _send(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    running = postgres.start(16)
    yield running
    running.stop()


@pytest.fixture
def database_url(server: Postgres) -> str:
    """A new database; its password has characters that must be escaped, so what escapes wrongly fails here."""
    return server.url(server.new_database(), scheme="postgresql+psycopg")


@pytest.fixture
def release_1(tmp_path: Path, database_url: str) -> Shop:
    folder = tmp_path / "release-1"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("release_2", "__pycache__"))
    return Shop("1.0.0", folder, database_url)


@pytest.fixture
def release_2(tmp_path: Path, database_url: str) -> Shop:
    folder = tmp_path / "release-2"
    shutil.copytree(APP, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Shop("2.0.0", folder, database_url)
