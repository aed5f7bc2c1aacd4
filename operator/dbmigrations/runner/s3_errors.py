"""Errors of boto3 as reasons that a person can act on."""

from __future__ import annotations

from typing import Any

from botocore import exceptions
from botocore.parsers import ResponseParserError

from dbmigrations.runner.errors import StoreError

_KEYS = "Check the keys in the Secret of spec.backup.s3.credentialsFrom."
# Code of the store: (reason, transient, hint).
_CODES: dict[str, tuple[str, bool, str]] = {
    "NoSuchBucket": ("BucketNotFound", False, "Create the bucket, or correct spec.backup.s3.bucket or endpoint."),
    "AccessDenied": (
        "AccessDenied",
        False,
        "Allow these credentials to put, get, list and delete objects and multipart uploads under the prefix.",
    ),
    "InvalidAccessKeyId": ("InvalidCredentials", False, _KEYS),
    "SignatureDoesNotMatch": ("InvalidCredentials", False, _KEYS),
    "ExpiredToken": ("InvalidCredentials", False, "The session token has expired: renew it."),
    "InvalidToken": ("InvalidCredentials", False, _KEYS),
    "InvalidClientTokenId": ("InvalidCredentials", False, _KEYS),
    "RequestTimeTooSkewed": ("StoreClockSkew", False, "Set the clock of the node (or of the store)."),
    "PermanentRedirect": ("WrongRegion", False, "Set spec.backup.s3.region to the bucket's region."),
    "AuthorizationHeaderMalformed": ("WrongRegion", False, "Set spec.backup.s3.region to the bucket's region."),
    "IllegalLocationConstraintException": ("WrongRegion", False, "Set spec.backup.s3.region to the bucket's region."),
    "NotImplemented": (
        "StoreUnsupported",
        False,
        "What answers at spec.backup.s3.endpoint lacks something that a backup needs: is it an S3 store?",
    ),
}
_BY_STATUS = {301: "PermanentRedirect", 403: "AccessDenied", 404: "NoSuchBucket", 501: "NotImplemented"}
_AWAY = (
    exceptions.EndpointConnectionError,
    exceptions.ConnectTimeoutError,
    exceptions.ReadTimeoutError,
    exceptions.ConnectionClosedError,
    exceptions.HTTPClientError,
    exceptions.IncompleteReadError,
    exceptions.ResponseStreamingError,
)
_NO_KEYS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.TokenRetrievalError,
)


def code_of(error: Exception) -> str:
    """The store's error code; HEAD answers have none, so the HTTP status stands in. "" for other errors."""
    if not isinstance(error, exceptions.ClientError):
        return ""
    response: dict[str, Any] = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    status = int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code and not code.isdigit():
        return code
    if status == 404 and error.operation_name != "HeadBucket":
        return "NoSuchKey"
    return _BY_STATUS.get(status, code)


def status_of(error: Exception) -> int:
    """The HTTP status of an answer, 0 if there was none."""
    if not isinstance(error, exceptions.ClientError):
        return 0
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def classify(error: Exception, doing: str) -> StoreError:
    """The reason of a failed call; ``doing`` completes "The store … while …"."""
    if isinstance(error, exceptions.ClientError):
        return _refused(error, doing)
    text = " ".join(str(error).split())
    if isinstance(error, exceptions.SSLError):
        hint = "Give the store's CA in spec.backup.s3.caFrom, or check that the endpoint's scheme is right."
        return StoreError("StoreTLSFailed", f"TLS to the store failed while {doing}: {text}", hint)
    if isinstance(error, _NO_KEYS):
        return StoreError("InvalidCredentials", f"No usable S3 credentials while {doing}: {text}", _KEYS)
    if isinstance(error, exceptions.ParamValidationError | exceptions.InvalidRegionError | ValueError):
        return StoreError("InvalidStore", f"The bucket's settings are not valid: {text}", "Correct spec.backup.s3.")
    if isinstance(error, exceptions.ProxyConnectionError):
        hint = "The application's HTTP_PROXY variables apply to the runner too: add the store to NO_PROXY."
        return StoreError(
            "StoreUnreachable", f"The proxy before the store failed while {doing}: {text}", hint, transient=True
        )
    if isinstance(error, ResponseParserError):
        hint = "What answers at spec.backup.s3.endpoint is not an S3 store."
        return StoreError("NotS3", f"The endpoint's answer is not S3's while {doing}.", hint)
    if isinstance(error, _AWAY):
        hint = "Check spec.backup.s3.endpoint and region, that the store runs, and network policies."
        return StoreError("StoreUnreachable", f"The store did not answer while {doing}: {text}", hint, transient=True)
    return StoreError("StoreFailed", f"Talking to the store failed while {doing}: {type(error).__name__}: {text}")


def _refused(error: exceptions.ClientError, doing: str) -> StoreError:
    code, status = code_of(error), status_of(error)
    said = str(error.response.get("Error", {}).get("Message", "")) or "no message"
    text = f"The store answered {code or status} while {doing}: {said}"
    if "object lock" in said.lower() and ("md5" in said.lower() or "checksum" in said.lower()):
        hint = "A bucket with Object Lock needs checksums: set spec.backup.s3.checksums to Auto."
        return StoreError("ObjectLockNeedsChecksums", text, hint)
    if code.startswith("KMS."):
        return StoreError("AccessDenied", text, "Allow these credentials to use the key in spec.backup.s3.kmsKeyID.")
    known = _CODES.get(code)
    if known is not None:
        reason, transient, hint = known
        return StoreError(reason, text, hint, transient=transient)
    if status >= 500 or status == 429 or code in ("SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError"):
        return StoreError("StoreUnreachable", text, "The store is overloaded or broken just now.", transient=True)
    return StoreError("StoreFailed", text)
