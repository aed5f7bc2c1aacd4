"""Small rules that need no server."""

from __future__ import annotations

import psycopg
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from dbmigrations.runner import classify, parts, pgtools, s3_errors
from dbmigrations.runner.catalogue import split_name
from dbmigrations.runner.dump import Compression, dump_failed
from dbmigrations.runner.errors import BackupError
from dbmigrations.runner.parts import MIB, PartBody
from dbmigrations.runner.pgtools import Tools
from dbmigrations.runner.schema import hash_of

GB = 10**9


@pytest.mark.parametrize(
    ("database", "compressed", "mebibytes"),
    [
        (0, True, 8),
        (GB, True, 8),
        (60 * GB, True, 8),
        (400 * GB, True, 46),
        (400 * GB, False, 96),
        (4000 * GB, True, 458),
    ],
)
def test_parts_are_as_large_as_ten_thousand_of_them_must_be(database, compressed, mebibytes):
    size = parts.part_size(database, compressed=compressed)
    assert size == mebibytes * MIB
    assert size * parts.MOST_PARTS >= database * (1.2 if compressed else 2.5)


def test_256_mebibytes_hold_a_database_of_400_gigabytes():
    assert parts.memory_needed(parts.part_size(400 * GB, compressed=True)) <= 256 * MIB


def test_what_no_object_can_hold_is_refused_at_once():
    with pytest.raises(BackupError) as caught:
        parts.part_size(60_000 * GB, compressed=True)
    assert caught.value.reason == "PartLimit"


def test_a_parts_body_can_be_read_again():
    body = PartBody(memoryview(b"0123456789"))
    assert (len(body), body.read(4), body.tell(), body.read()) == (10, b"0123", 4, b"456789")
    body.seek(0)
    assert body.read() == b"0123456789"


@pytest.mark.parametrize(
    ("text", "schema", "name"),
    [
        ("alembic_version", "", "alembic_version"),
        ("app.alembic_version", "app", "alembic_version"),
        ('"A.b"."C"', "A.b", "C"),
        ("MyVersions", "", "MyVersions"),
    ],
)
def test_names_of_version_tables_are_split_as_written(text, schema, name):
    assert split_name(text) == (schema, name)


@pytest.mark.parametrize(
    ("spec", "major", "argument"),
    [
        ("zstd:1", 17, "--compress=zstd:1"),
        ("none", 17, "--compress=none"),
        ("gzip:3", 15, "--compress=3"),
        ("gzip", 15, "--compress=6"),
        ("none", 15, "--compress=0"),
    ],
)
def test_compression_is_said_in_each_clients_words(spec, major, argument, tmp_path):
    assert Compression(spec).argument(Tools(tmp_path, major)) == argument


COLLATION = """\
WARNING:  database "shop" has a collation version mismatch
DETAIL:  The database was created using collation version 2.31, but the operating system provides version 2.36.
HINT:  Rebuild all objects in this database that use the default collation and run ALTER DATABASE shop REFRESH.
"""


def test_only_what_is_known_to_be_harmless_is_overlooked_on_stderr():
    assert pgtools.complaints(COLLATION) == ""
    assert pgtools.complaints(COLLATION + "pg_dump: warning: x\n") == "pg_dump: warning: x"


HEAD = b"--\n-- PostgreSQL database dump\n--\n\\restrict %s\n-- Dumped by pg_dump version %s\nSET x = 1;\n\n"
BODY = b"--\n-- Name: t; Type: TABLE\n--\nCREATE TABLE t ();\n-- kept: it may stand in a function\n"
TAIL = b"--\n-- PostgreSQL database dump complete\n--\n\\unrestrict %s\n"


def lines(key: bytes, version: bytes, body: bytes = BODY) -> list[bytes]:
    return (HEAD % (key, version) + body + TAIL % key).splitlines(keepends=True)


def test_a_schemas_hash_depends_on_neither_keys_nor_versions():
    assert hash_of(lines(b"abc", b"17.6")) == hash_of(lines(b"xyz", b"17.7"))
    assert hash_of(lines(b"abc", b"17.6")) != hash_of(lines(b"abc", b"17.6", BODY.replace(b"kept", b"lost")))


@pytest.mark.parametrize(
    ("code", "said", "reason", "transient"),
    [
        (-9, "", "DumpFailed", False),
        (1, "pg_dump: error: server closed the connection unexpectedly", "DumpFailed", True),
        (1, "pg_dump: error: query would be affected by row-level security policy", "RowSecurity", False),
        (1, "pg_dump: error: permission denied for table x", "CannotDump", False),
        (0, "pg_dump: warning: something", "DumpFailed", False),
        (1, "canceling statement due to statement timeout\nQuery was: LOCK TABLE x", "DatabaseBusy", True),
    ],
)
def test_failures_of_pg_dump_have_reasons(code, said, reason, transient):
    error = dump_failed(code, said)
    assert (error.reason, error.transient) == (reason, transient)


@pytest.mark.parametrize(
    ("text", "reason", "transient"),
    [
        ("FATAL:  sorry, too many clients already", "ConnectionsExhausted", True),
        ("FATAL:  the database system is starting up", "DatabaseUnreachable", True),
        ("FATAL:  no pg_hba.conf entry for host", "AuthenticationFailed", False),
        ("SSL error: certificate verify failed", "TLSFailed", False),
        ("local user with ID 65532 does not exist", "AuthenticationFailed", False),
        ('FATAL:  database "x" does not exist', "DatabaseNotFound", False),
        ("FATAL:  permission denied for database", "AuthenticationFailed", False),
        ("FATAL:  Unbekanntes", "ConnectionFailed", False),
    ],
)
def test_failures_to_connect_have_reasons(text, reason, transient):
    error = classify.connecting(psycopg.OperationalError(text))
    assert (error.reason, error.transient) == (reason, transient)


def refusal(code: str, status: int, message: str = "", operation: str = "PutObject") -> ClientError:
    answer = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, operation)


@pytest.mark.parametrize(
    ("error", "reason", "transient"),
    [
        (refusal("NoSuchBucket", 404), "BucketNotFound", False),
        (refusal("404", 404, operation="HeadBucket"), "BucketNotFound", False),
        (refusal("403", 403, operation="HeadBucket"), "AccessDenied", False),
        (refusal("ExpiredToken", 400), "InvalidCredentials", False),
        (refusal("RequestTimeTooSkewed", 403), "StoreClockSkew", False),
        (refusal("301", 301, operation="HeadBucket"), "WrongRegion", False),
        (refusal("SlowDown", 503), "StoreUnreachable", True),
        (refusal("InternalError", 500), "StoreUnreachable", True),
        (refusal("KMS.DisabledException", 400), "AccessDenied", False),
        (refusal("InvalidRequest", 400, "Content-MD5 is required with Object Lock"), "ObjectLockNeedsChecksums", False),
        (refusal("Strange", 400), "StoreFailed", False),
        (EndpointConnectionError(endpoint_url="http://x"), "StoreUnreachable", True),
        (ValueError("Invalid endpoint: x"), "InvalidStore", False),
    ],
)
def test_refusals_of_the_store_have_reasons(error, reason, transient):
    classified = s3_errors.classify(error, "testing")
    assert (classified.reason, classified.transient) == (reason, transient)
