"""One object, uploaded while it is made: few parts in memory, nothing left behind on failure."""

from __future__ import annotations

import queue
import threading
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dbmigrations.runner.errors import BackupError, RunnerError, StoreError
from dbmigrations.runner.parts import BUFFERS, MIB, MOST_PARTS, SENDERS, PartBody
from dbmigrations.runner.probe import crc32_header, try_quietly
from dbmigrations.runner.store import cause_code

if TYPE_CHECKING:
    from dbmigrations.runner.store import Bucket


@dataclass(frozen=True)
class Stored:
    """A finished object. ``version`` is "" without versions; ``checksum``: the store has one, and it is ours."""

    key: str
    version: str
    size: int
    parts: int
    checksum: bool


class Upload:
    """A multipart upload in progress.

    ``checksum``: let the store compute and keep a CRC32 of the whole object; ``once``: do not overwrite anything.
    """

    def __init__(self, bucket: Bucket, key: str, part_bytes: int, *, checksum: bool, once: bool) -> None:
        self.key = key
        self._bucket = bucket
        self._checksum = checksum
        self._once = once
        self._part_bytes = part_bytes
        self._crc32 = 0
        self._size = 0
        self._parts: dict[int, dict[str, Any]] = {}
        self._count = 0
        self._error: RunnerError | None = None
        self._completed = False
        self._in_doubt = False
        self._version = ""
        kind = {"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"} if checksum else {}
        started = bucket.call("starting the upload", "create_multipart_upload", Key=key, **kind, **bucket.encryption())
        self.upload_id: str = started["UploadId"]
        self._free: queue.Queue[bytearray | None] = queue.Queue()
        self._ready: queue.Queue[tuple[int, bytearray, int] | None] = queue.Queue()
        self._allocated = 0
        self._buffer: bytearray | None = None
        self._filled = 0
        self._senders = [threading.Thread(target=self._send_parts, daemon=True) for _ in range(SENDERS)]
        for sender in self._senders:
            sender.start()

    def space(self) -> memoryview:
        """Where the next bytes go: the free rest of the current part. Waits while all parts are on their way."""
        if self._buffer is None:
            self._buffer = self._next_buffer()
            self._filled = 0
        return memoryview(self._buffer)[self._filled :]

    def advance(self, count: int) -> None:
        """``count`` bytes have been put into the space."""
        self._filled += count
        if self._filled == self._part_bytes:
            self._hand_over()

    def _next_buffer(self) -> bytearray:
        if self._allocated < BUFFERS and self._free.empty():
            self._allocated += 1
            return bytearray(self._part_bytes)
        buffer = self._free.get()
        self._raise_error()
        assert buffer is not None
        return buffer

    def _hand_over(self) -> None:
        assert self._buffer is not None
        self._raise_error()
        self._count += 1
        if self._count > MOST_PARTS:
            raise BackupError(
                "PartLimit",
                f"The dump is larger than {MOST_PARTS} parts of {self._part_bytes // MIB} MiB, and than its database.",
                "Use a compression (spec.backup.compression).",
            )
        view = memoryview(self._buffer)[: self._filled]
        self._crc32 = zlib.crc32(view, self._crc32)
        self._size += self._filled
        self._ready.put((self._count, self._buffer, self._filled))
        self._buffer = None

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _send_parts(self) -> None:
        while (item := self._ready.get()) is not None:
            number, buffer, filled = item
            if self._error is None:
                try:
                    self._parts[number] = self._send(number, memoryview(buffer)[:filled])
                except RunnerError as error:
                    self._error = upload_failed(error)
            self._free.put(buffer)

    def _send(self, number: int, data: memoryview) -> dict[str, Any]:
        crc = {"ChecksumCRC32": crc32_header(zlib.crc32(data))} if self._checksum else {}
        answer = self._bucket.call(
            f"uploading part {number}",
            "upload_part",
            Key=self.key,
            UploadId=self.upload_id,
            PartNumber=number,
            Body=PartBody(data),
            ContentLength=len(data),
            **crc,
        )
        return {"PartNumber": number, "ETag": answer["ETag"], **crc}

    def finish(self) -> Stored:
        """Send what is left, complete the object and compare the store's view of it with ours.

        Raises BackupError (UploadFailed, VerificationFailed, ManifestExists).
        """
        if self._filled or not self._count:
            self.space()
            self._hand_over()
        for _ in self._senders:
            self._ready.put(None)
        for sender in self._senders:
            sender.join()
        self._raise_error()
        self._complete()
        return self._compare()

    def _complete(self) -> None:
        arguments: dict[str, Any] = {
            "MultipartUpload": {"Parts": [self._parts[number] for number in sorted(self._parts)]}
        }
        if self._checksum:
            arguments |= {"ChecksumType": "FULL_OBJECT", "ChecksumCRC32": crc32_header(self._crc32)}
        if self._once:
            arguments["IfNoneMatch"] = "*"
        self._in_doubt = True
        try:
            answer = self._bucket.call(
                "completing the upload", "complete_multipart_upload", Key=self.key, UploadId=self.upload_id, **arguments
            )
        except StoreError as error:
            # A repeated request finds the upload gone if the first one did its work: the object then tells.
            if cause_code(error) == "PreconditionFailed":
                self._in_doubt = False
                raise already_exists(self.key) from None
            if not error.transient and cause_code(error) != "NoSuchUpload":
                raise upload_failed(error) from None
            answer = {}
        self._completed = True
        self._version = real_version(answer)

    def _compare(self) -> Stored:
        named = {"VersionId": self._version} if self._version else {}
        wanted = {"ChecksumMode": "ENABLED"} if self._checksum else {}
        try:
            head = self._bucket.call("checking the stored object", "head_object", Key=self.key, **named, **wanted)
        except StoreError as error:
            raise upload_failed(error) from None
        self._version = self._version or real_version(head)
        checksum = head.get("ChecksumCRC32")
        if int(head.get("ContentLength", -1)) != self._size:
            raise _differs(f"{head.get('ContentLength')} bytes instead of {self._size}")
        if self._checksum and checksum is not None and checksum != crc32_header(self._crc32):
            raise _differs(f"CRC32 {checksum} instead of {crc32_header(self._crc32)}")
        return Stored(self.key, self._version, self._size, self._count, self._checksum and checksum is not None)

    def disown(self) -> None:
        """What lies under the key is, or may be, somebody else's: abort() leaves it alone."""
        self._in_doubt = False

    def abort(self, bucket: Bucket) -> None:
        """Remove what is in the store, as far as possible. Never raises; ``bucket`` is one with short waits."""
        self._error = self._error or upload_failed(StoreError("UploadFailed", "the upload was aborted"))
        for _ in self._senders:
            self._ready.put(None)
        if not self._completed:
            try_quietly(bucket, "abort_multipart_upload", Key=self.key, UploadId=self.upload_id)
            for sender in self._senders:
                sender.join(timeout=2)
            # A part that was on its way at the first call can have arrived after it.
            try_quietly(bucket, "abort_multipart_upload", Key=self.key, UploadId=self.upload_id)
        if self._in_doubt:
            named = {"VersionId": self._version} if self._version else {}
            try_quietly(bucket, "delete_object", Key=self.key, **named)


def real_version(answer: dict[str, Any]) -> str:
    """The version of an answer; "" in a bucket without versions."""
    version = str(answer.get("VersionId") or "")
    return "" if version == "null" else version


def upload_failed(error: RunnerError) -> BackupError:
    """A failed call during the upload; reasons that say more than "the upload failed" are kept."""
    if error.reason in ("AccessDenied", "InvalidCredentials", "BucketNotFound", "StoreClockSkew", "PartLimit"):
        return BackupError(error.reason, error.message, error.hint)
    return BackupError("UploadFailed", error.message, error.hint, transient=True)


def already_exists(key: str) -> BackupError:
    """Somebody else wrote the objects of this attempt."""
    return BackupError(
        "ManifestExists",
        f"{key} is already in the bucket: another Job has made this attempt's backup.",
        "Nothing was overwritten. A new attempt uses a new key.",
    )


def _differs(problem: str) -> BackupError:
    return BackupError(
        "VerificationFailed",
        f"The stored dump differs from what was uploaded: {problem}.",
        "No backup was recorded. Look for a proxy or a broken disk between here and the store.",
    )
