"""Runs the runner's programs as Jobs do: a process of its own, instructions and variables in the environment."""

from __future__ import annotations

import json
import subprocess
import sys
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import processes, s3
from tests.servers.binaries import client_folder

OPERATOR = Path(__file__).resolve().parents[2] / "operator"


@dataclass
class Outcome:
    """What a program left behind."""

    code: int
    result: dict[str, Any]
    log: str
    raw: bytes

    @property
    def facts(self) -> dict[str, Any]:
        return self.result["facts"]

    @property
    def reason(self) -> str:
        return self.result.get("reason", "")

    def failed_with(self, reason: str) -> dict[str, Any]:
        assert (self.code, self.reason) == (1, reason), self
        return self.result

    def succeeded(self) -> dict[str, Any]:
        assert self.code == 0, self
        assert self.result["ok"] is True
        return self.facts


@dataclass
class Job:
    """Instructions and environment of programs; each call of ``run`` is a Job of its own."""

    url: str
    store: dict[str, Any] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    clients: tuple[int, ...] = (15, 18)
    folder: Path = field(default_factory=lambda: processes.new_folder("job"))

    def __post_init__(self) -> None:
        weakref.finalize(self, processes.remove, self.folder)

    def environment(self, program: str, **config: Any) -> dict[str, str]:
        instructions = {
            "program": program,
            "namespace": "shop",
            "name": "to-1-5",
            "uid": "5c0ffee5",
            "run": "1-ab12cd34",
            "attempt": 1,
            "connection": {"url": "DATABASE_URL"},
            "sessions": {"timeoutSeconds": 0, "ignore": ["test"]},
            "store": self.store,
            **self.config,
            **config,
        }
        return {
            "PATH": "/nowhere",
            "PYTHONPATH": str(OPERATOR),
            "PYTHONWARNINGS": "error",
            "HOME": str(self.folder),
            "DATABASE_URL": self.url,
            "DBM_CONFIG": json.dumps(instructions),
            "DBM_PG_BIN": ":".join(str(client_folder(major)) for major in self.clients),
            "DBM_RESULT_PATH": str(self.folder / "result"),
            "DBM_RUN_DIR": str(self.folder),
            "DBM_S3_ACCESS_KEY_ID": s3.ACCESS_KEY,
            "DBM_S3_SECRET_ACCESS_KEY": s3.SECRET_KEY,
            # The application's own credentials must never be used.
            "AWS_ACCESS_KEY_ID": "application",
            "AWS_SECRET_ACCESS_KEY": "application",
            **self.variables,
        }

    def start(self, program: str, **config: Any) -> subprocess.Popen[str]:
        (self.folder / "result").unlink(missing_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "dbmigrations.runner", program],
            env=self.environment(program, **config),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str], timeout: float = 60) -> Outcome:
        try:
            log, _ = process.communicate(timeout=timeout)
        finally:
            process.kill()
        path = self.folder / "result"
        raw = path.read_bytes() if path.exists() else b""
        return Outcome(process.returncode, json.loads(raw or b"{}"), log, raw)

    def run(self, program: str, **config: Any) -> Outcome:
        return self.finish(self.start(program, **config))


def store_of(store: s3.Store, bucket: str, **more: Any) -> dict[str, Any]:
    """The store's part of the instructions."""
    return {"bucket": bucket, "prefix": "backups", "endpoint": store.endpoint, "region": s3.REGION, **more}
