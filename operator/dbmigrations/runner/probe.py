"""What the store can do, found out by writing a canary: the way a backup is written, in small."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.errors import RunnerError, StoreError
from dbmigrations.runner.store import cause_code, own_prefix

if TYPE_CHECKING:
    from dbmigrations.runner.config import Config
    from dbmigrations.runner.logs import Log
    from dbmigrations.runner.store import Bucket

_CANARY = b"dbmigrations writes and removes this object to see whether a backup could be stored here.\n"
# What stores say to checksum headers that they do not know.
_UNKNOWN_CHECKSUM = (
    "NotImplemented",
    "InvalidRequest",
    "InvalidArgument",
    "MalformedXML",
    "XAmzContentSHA256Mismatch",
    "BadRequest",
)


@dataclass(frozen=True)
class Abilities:
    """What backups make use of.

    ``full_object_checksum``: the store computes and keeps a CRC32 of a whole multipart object.
    ``conditional_writes``: it refuses to overwrite where that is asked for.
    ``versioned``: what was written stays readable by its version.
    """

    full_object_checksum: bool
    versioned: bool
    conditional_writes: bool

    def facts(self) -> dict[str, Any]:
        """For the result."""
        return {
            "fullObjectChecksum": self.full_object_checksum,
            "versioned": self.versioned,
            "conditionalWrites": self.conditional_writes,
        }


def crc32_header(value: int) -> str:
    """A CRC32 as S3 writes it: base64 of four big-endian bytes."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def run(bucket: Bucket, config: Config, log: Log) -> Abilities:
    """Write, check and remove a canary. Raises StoreError with the reason for which no backup could be stored."""
    key = f"{own_prefix(config)}canary-{config.run}-{config.attempt}"
    versions: list[str] = []
    try:
        _look(bucket)
        checksums = _multipart(bucket, key, versions)
        conditional = _conditional(bucket, key, versions)
    finally:
        _remove(bucket, key, versions, log)
    if not checksums and bucket.store.checksums == "FullObject":
        raise StoreError(
            "ChecksumsUnsupported",
            "The store does not keep a CRC32 of a whole multipart object.",
            "Set spec.backup.s3.checksums to Auto: the backup is then verified by reading it back.",
        )
    return Abilities(checksums, any(versions), conditional)


def _look(bucket: Bucket) -> None:
    """Refuse a bucket that is not there, or that cannot take what we write."""
    try:
        where = f" at {bucket.store.endpoint}" if bucket.store.endpoint else ""
        bucket.call(f"looking for the bucket {bucket.store.bucket}{where}", "head_bucket")
    except StoreError as error:
        # An answer to HEAD has no room for the reason, and listing is a right of its own: the canary will tell.
        if error.reason != "AccessDenied":
            raise
    if bucket.store.checksums == "WhenRequired" and _object_lock(bucket):
        raise StoreError(
            "ObjectLockNeedsChecksums",
            f"The bucket {bucket.store.bucket} has Object Lock, which demands checksums with every write.",
            "Set spec.backup.s3.checksums to Auto.",
        )


def _object_lock(bucket: Bucket) -> bool:
    try:
        answer = bucket.call("asking for Object Lock", "get_object_lock_configuration")
    except StoreError:
        # No lock, an operation that the store does not know, or no right to ask.
        return False
    return bool(answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled")


def _multipart(bucket: Bucket, key: str, versions: list[str]) -> bool:
    """Upload the canary; True if its full-object checksum came back."""
    if bucket.store.checksums == "WhenRequired":
        _upload(bucket, key, versions, checksum=False)
        return False
    try:
        _upload(bucket, key, versions, checksum=True)
    except StoreError as error:
        if cause_code(error) not in _UNKNOWN_CHECKSUM or error.reason == "ObjectLockNeedsChecksums":
            raise
        _upload(bucket, key, versions, checksum=False)
        return False
    head = bucket.call("checking the canary", "head_object", Key=key, ChecksumMode="ENABLED")
    return bool(head.get("ChecksumCRC32") == crc32_header(zlib.crc32(_CANARY)))


def _upload(bucket: Bucket, key: str, versions: list[str], *, checksum: bool) -> None:
    crc = {"ChecksumCRC32": crc32_header(zlib.crc32(_CANARY))} if checksum else {}
    kind = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if checksum else {}
    started = bucket.call("writing a canary", "create_multipart_upload", Key=key, **kind, **bucket.encryption())
    upload = {"Key": key, "UploadId": started["UploadId"]}
    try:
        part = bucket.call("writing a canary", "upload_part", PartNumber=1, Body=_CANARY, **upload, **crc)
        whole = {**crc, "ChecksumType": "FULL_OBJECT"} if checksum else {}
        parts = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"], **crc}]}
        done = bucket.call("writing a canary", "complete_multipart_upload", MultipartUpload=parts, **upload, **whole)
    except RunnerError:
        try_quietly(bucket, "abort_multipart_upload", **upload)
        raise
    versions.append(_version(done))


def _conditional(bucket: Bucket, key: str, versions: list[str]) -> bool:
    """Whether a second write with If-None-Match is refused."""
    try:
        done = bucket.call(
            "testing conditional writes", "put_object", Key=key, Body=b"", IfNoneMatch="*", **bucket.encryption()
        )
    except StoreError as error:
        if cause_code(error) == "PreconditionFailed":
            return True
        if error.transient:
            raise
        return False
    versions.append(_version(done))
    return False


def _version(answer: dict[str, Any]) -> str:
    version = str(answer.get("VersionId") or "")
    return "" if version == "null" else version


def _remove(bucket: Bucket, key: str, versions: list[str], log: Log) -> None:
    """By version where there are versions, so that not even a delete marker stays."""
    for version in versions:
        named = {"VersionId": version} if version else {}
        if not try_quietly(bucket, "delete_object", Key=key, **named):
            log.step("store", "the canary could not be removed; it is small and harmless", key=key)


def try_quietly(bucket: Bucket, operation: str, **arguments: Any) -> bool:
    """A clean-up whose failure changes nothing; False if it failed."""
    try:
        bucket.call("cleaning up", operation, **arguments)
    except StoreError:
        return False
    return True
