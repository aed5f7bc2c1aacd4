"""The manifest: what makes a dump a backup. It is written last, and never overwritten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.errors import StoreError
from dbmigrations.runner.redact import printable_value
from dbmigrations.runner.store import attempt, cause_code
from dbmigrations.runner.upload import already_exists, real_version, upload_failed

if TYPE_CHECKING:
    from dbmigrations.runner.store import Bucket

FORMAT = "dbmigrations.dev/backup/v1"
# Larger than that is none of ours.
_LARGEST_BYTES = 64 * 1024 * 1024


def write(bucket: Bucket, key: str, content: dict[str, Any], *, once: bool) -> str:
    """Store it; returns its version ("" without versions). ``once``: the store itself refuses to overwrite.

    Raises BackupError (ManifestExists, UploadFailed).
    """
    body = json.dumps(printable_value({"format": FORMAT, **content}), indent=1, ensure_ascii=False).encode()
    if not once and exists(bucket, key):
        raise already_exists(key)
    condition = {"IfNoneMatch": "*"} if once else {}
    try:
        answer = bucket.call(
            "writing the manifest",
            "put_object",
            Key=key,
            Body=body,
            ContentType="application/json",
            **condition,
            **bucket.encryption(),
        )
    except StoreError as error:
        # Refused as a repeated request that met the first one's work, or lost on the way back: the content tells.
        if _same(bucket, key, body):
            return ""
        if cause_code(error) == "PreconditionFailed":
            raise already_exists(key) from None
        raise upload_failed(error) from None
    return real_version(answer)


def exists(bucket: Bucket, key: str) -> bool:
    """Whether there is one. Raises StoreError."""
    try:
        bucket.call("looking for a manifest", "head_object", Key=key)
    except StoreError as error:
        if cause_code(error) == "NoSuchKey":
            return False
        raise
    return True


def read(bucket: Bucket, key: str) -> dict[str, Any] | None:
    """The content; None if there is no such object or it is no manifest. Raises StoreError."""
    try:
        body = _body(bucket, key)
        content = json.loads(body)
    except StoreError as error:
        if cause_code(error) == "NoSuchKey":
            return None
        raise
    except ValueError:
        return None
    return content if isinstance(content, dict) and content.get("format") == FORMAT else None


def _same(bucket: Bucket, key: str, body: bytes) -> bool:
    try:
        return _body(bucket, key) == body
    except StoreError:
        return False


def _body(bucket: Bucket, key: str) -> bytes:
    answer = bucket.call("reading the manifest", "get_object", Key=key)
    return attempt("reading the manifest", lambda: bytes(answer["Body"].read(_LARGEST_BYTES)))
