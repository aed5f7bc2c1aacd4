"""A real S3 store: versitygw on a folder."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tests.servers import processes
from tests.servers.binaries import versitygw

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_KEY = "test-access-key"
SECRET_KEY = "test/secret+key=with:signs"
REGION = "us-east-1"


@dataclass
class Store:
    """A running store. ``folder/data/<bucket>/<key>`` are its objects, for tests that damage them."""

    port: int
    folder: Path
    pid: int
    command: list[str]
    buckets: int = 0
    users: int = 0

    @property
    def endpoint(self) -> str:
        """Plain HTTP on loopback."""
        return f"http://127.0.0.1:{self.port}"

    def client(self, endpoint: str = "") -> Any:
        """boto3's client, with all rights."""
        settings = Config(signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1})
        session = boto3.session.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
        return session.client("s3", endpoint_url=endpoint or self.endpoint, config=settings)

    def new_bucket(self, *, versioned: bool = False, lock: bool = False) -> str:
        """An empty bucket."""
        self.buckets += 1
        name = f"bucket-{self.buckets}"
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if versioned:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name

    def keys(self, bucket: str) -> list[str]:
        """The objects in a bucket."""
        return [item["Key"] for item in self.client().list_objects_v2(Bucket=bucket).get("Contents", [])]

    def uploads(self, bucket: str) -> list[str]:
        """The keys of unfinished uploads."""
        return [item["Key"] for item in self.client().list_multipart_uploads(Bucket=bucket).get("Uploads", [])]

    def new_user(self) -> dict[str, str]:
        """Valid keys, as a runner gets them, of a user who may do nothing."""
        self.users += 1
        access, secret = f"user-{self.users}", "a-secret-of-a-user"
        admin = [
            "admin",
            "--allow-insecure",
            "--access",
            ACCESS_KEY,
            "--secret",
            SECRET_KEY,
            "--endpoint-url",
            self.endpoint,
        ]
        create = ["create-user", "--access", access, "--secret", secret, "--role", "user"]
        subprocess.run([str(versitygw()), *admin, *create], check=True, capture_output=True)
        return {"DBM_S3_ACCESS_KEY_ID": access, "DBM_S3_SECRET_ACCESS_KEY": secret}

    def file(self, bucket: str, key: str) -> Path:
        """The file behind an object."""
        return self.folder / "data" / bucket / key

    def parts(self, bucket: str) -> list[Path]:
        """The files behind the parts of unfinished uploads."""
        return [path for path in (self.folder / "data" / bucket / ".sgwtmp").rglob("*") if path.is_file()]

    def stop(self) -> None:
        """End it and remove its folder."""
        processes.stop(self.pid)
        processes.remove(self.folder)


def start() -> Store:
    """A new, empty store."""
    folder = processes.new_folder("s3")
    for name in ("data", "versions", "iam"):
        (folder / name).mkdir()
    port = processes.free_port()
    command = [str(versitygw()), "--port", f"127.0.0.1:{port}", "--region", REGION, "--quiet"]
    command += [
        "--iam-dir",
        str(folder / "iam"),
        "posix",
        "--versioning-dir",
        str(folder / "versions"),
        str(folder / "data"),
    ]
    env = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY, "HOME": str(folder), "PATH": "/usr/bin:/bin"}
    pid = processes.start(folder, command, env=env)
    store = Store(port, folder, pid, command)

    def ready() -> bool:
        assert not processes.has_ended(pid), (folder / "log").read_text()[-2000:]
        try:
            store.client().list_buckets()
        except (BotoCoreError, ClientError):
            return False
        return True

    processes.wait_for(ready, "the S3 store to start")
    return store
