"""The bucket: a client whose every wait is bounded, and the keys that we use.

Credentials come from DBM_S3_*; the application's own AWS_* variables are then out of reach. Without them boto3's own
search applies (the identity of the node or of the service account).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config as BotoConfig
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from dbmigrations.runner import s3_errors
from dbmigrations.runner.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, MutableMapping

    from dbmigrations.runner.config import Config, Store

Result = TypeVar("Result")
ACCESS_KEY = "DBM_S3_ACCESS_KEY_ID"
SECRET_KEY = "DBM_S3_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
SESSION_TOKEN = "DBM_S3_SESSION_TOKEN"  # noqa: S105
# boto3 raises ValueError for endpoints that are no URL.
FAILURES = (BotoCoreError, ClientError, ResponseParserError, ValueError)


@dataclass(frozen=True)
class Patience:
    """Seconds for one wait on the network, and the number of attempts: their product bounds every call."""

    connect: float
    read: float
    attempts: int


QUICK = Patience(connect=5, read=15, attempts=2)
LONG = Patience(connect=20, read=60, attempts=5)
# Three calls at most fit into what is left after a deadline or SIGTERM.
CLEAN_UP = Patience(connect=3, read=5, attempts=1)


class Bucket:
    """Calls to one bucket; every failure is a StoreError that says what was being done."""

    def __init__(self, store: Store, client: Any) -> None:
        self.store = store
        self._client = client

    def call(self, doing: str, operation: str, **arguments: Any) -> dict[str, Any]:
        """One operation of boto3's client on this bucket."""
        return attempt(doing, lambda: getattr(self._client, operation)(Bucket=self.store.bucket, **arguments))

    def pages(self, doing: str, operation: str, **arguments: Any) -> list[dict[str, Any]]:
        """All pages of a listing."""
        paginator = self._client.get_paginator(operation)
        return attempt(doing, lambda: list(paginator.paginate(Bucket=self.store.bucket, **arguments)))

    def encryption(self) -> dict[str, str]:
        """The encryption arguments of a write."""
        wanted = {
            "ServerSideEncryption": self.store.server_side_encryption,
            "SSEKMSKeyId": self.store.kms_key_id,
        }
        return {key: value for key, value in wanted.items() if value}


def attempt(doing: str, call: Callable[[], Result]) -> Result:
    """Run a call of boto3; its errors become a StoreError whose cause is the original."""
    try:
        return call()
    except FAILURES as error:
        raise s3_errors.classify(error, doing) from error


def cause_code(error: StoreError) -> str:
    """The store's own error code behind a StoreError, or ""."""
    return s3_errors.code_of(error.__cause__) if isinstance(error.__cause__, Exception) else ""


def hide_application_credentials(environ: MutableMapping[str, str]) -> None:
    """With credentials of our own, nothing that the application tells boto3 may apply."""
    if environ.get(ACCESS_KEY):
        for name in [name for name in environ if name.startswith("AWS_")]:
            del environ[name]
        environ["AWS_CONFIG_FILE"] = environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
        environ["AWS_EC2_METADATA_DISABLED"] = "true"


def connect(store: Store, patience: Patience) -> Bucket:
    """A bucket with credentials from the environment. Raises ConfigError or StoreError; sends nothing yet."""
    if store.ca_file and not os.access(store.ca_file, os.R_OK):
        raise ConfigError(
            "InvalidStore", f"The CA bundle {store.ca_file} cannot be read.", "Check spec.backup.s3.caFrom."
        )
    settings = BotoConfig(
        signature_version="s3v4",
        connect_timeout=patience.connect,
        read_timeout=patience.read,
        retries={"mode": "standard", "total_max_attempts": patience.attempts},
        tcp_keepalive=True,
        max_pool_connections=4,
        s3={"addressing_style": "path" if store.endpoint else "auto"},
        # Checksums are sent by us where they are wanted, and never because a library's default changed.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = attempt(
        "preparing the client",
        lambda: boto3.session.Session(**_credentials()).client(
            "s3",
            region_name=store.region or _default_region(store),
            endpoint_url=store.endpoint or None,
            verify=store.ca_file or None,
            config=settings,
        ),
    )
    return Bucket(store, client)


def _credentials() -> dict[str, str]:
    key = os.environ.get(ACCESS_KEY, "")
    if not key:
        return {}
    found = {"aws_access_key_id": key, "aws_secret_access_key": os.environ.get(SECRET_KEY, "")}
    token = os.environ.get(SESSION_TOKEN, "")
    return {**found, "aws_session_token": token} if token else found


def _default_region(store: Store) -> str | None:
    # Stores of one's own want some region for the signature; for the public service an ambient one is better than ours.
    return "us-east-1" if store.endpoint or not os.environ.get("AWS_REGION") else None


def own_prefix(config: Config) -> str:
    """Under this all objects of one resource lie: ``<prefix>/<namespace>/<name>/<uid>/``."""
    assert config.store is not None
    parts = (config.store.prefix, config.namespace, config.name, config.uid)
    return "/".join(part for part in parts if part) + "/"


def attempt_prefix(config: Config) -> str:
    """Under this the objects of one attempt lie: nobody else ever writes there."""
    return f"{own_prefix(config)}{config.run}/{config.attempt}/"
