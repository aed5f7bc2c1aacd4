"""What `spec.backup` refuses, but for names and durations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.manifests import GONE
from tests.api.table.rows import REQUIRED, Row, at, too_long

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_BUCKET = f"{REQUIRED}: name the bucket for the dump, or say backup.mode: Skip to migrate without any backup"
NO_MEANING = "Forbidden: has no meaning with backup.mode: Skip; remove one of the two"
COMPRESSION = "write none, gzip (levels 1 to 9), zstd (0 to 22) or lz4 (0 to 12), with a level as zstd:1 or without"
BUCKET = (
    "write the bucket's name alone, without s3:// or a path; lower-case letters, digits, - and single . are allowed in "
    "it, with a letter or digit at both ends"
)
PREFIX = (
    "write a prefix as teams/shop, without a / at its beginning or // in it; letters, digits and -!_.*()=+@,: are "
    "allowed beside the /"
)
DOTS = ". and .. are not allowed as parts of a prefix; remove them"
ENDPOINT = "write a URL as https://minio.storage.svc:9000, without keys (they belong in credentialsFrom) or a query"
REGION = "write a region as eu-central-1; letters, digits, - and _ are allowed in it"
KMS = "needs serverSideEncryption: aws:kms; add it, or remove the key"
NO_CERTIFICATE = "an endpoint with http:// shows no certificate: write https://, or remove caFrom"
EITHER_KEY = "name either secretKeyRef or configMapKeyRef"


def backup() -> Iterator[Row]:
    yield {"backup": GONE}, "backup.s3", NO_BUCKET
    yield {"backup.s3": GONE}, "backup.s3", NO_BUCKET
    yield {"backup.mode": "Skip"}, "backup.s3", NO_MEANING
    yield from at("backup.mode", ("skip", 'Unsupported value: "skip": supported values: "Required", "Skip"'))
    yield from at("backup.verify", ("None", 'Unsupported value: "None": supported values: "Stream", "ReadBack"'))
    wrong = ("", "gzip:0", "gzip:10", "zstd:23", "lz4:13", "none:1", "zstd:", "zstd1", "bzip2", "ZSTD:1", "zstd:-1")
    yield from at("backup.compression", too_long(16), *((text, COMPRESSION) for text in wrong))
    yield from at("backup.s3.bucket", (GONE, REQUIRED), ("ab", "should be at least 3 chars long"), too_long(63))
    wrong = (
        "s3://backups",
        "backups/shop",
        "Backups",
        "-backups",
        "backups.",
        "a..b",
        "my_backups",
        "192.168.5.4",
        "a b",
    )
    yield from at("backup.s3.bucket", *((bucket, BUCKET) for bucket in wrong))
    wrong = ("/shop", "a//b", "a b", "a\\b", "schön", "a?b", "a#b", "a%2fb", "/")
    yield from at("backup.s3.prefix", too_long(512), *((prefix, PREFIX) for prefix in wrong))
    yield from at("backup.s3.prefix", *((prefix, DOTS) for prefix in ("..", "a/../../b", "./a", "a/.", "../")))
    wrong = (
        "minio:9000",
        "ftp://minio",
        "https://",
        "https://key:secret@minio",
        "https://minio?a=b",
        "https://mi nio",
        "https://minio/a@b",
    )
    yield from at("backup.s3.endpoint", too_long(512), *((url, ENDPOINT) for url in wrong[:-1]))
    yield from at("backup.s3.region", too_long(64), ("eu central", REGION), ("eu/1", REGION))
    yield from at("backup.s3.credentialsFrom", ("s3", 'must be of type object: "string"'))
    yield {"backup.s3.credentialsFrom": {}}, "backup.s3.credentialsFrom.secretRef", REQUIRED
    key = {"name": "a", "key": "b"}
    yield from at("backup.s3.caFrom", ({}, EITHER_KEY), ({"secretKeyRef": key, "configMapKeyRef": key}, EITHER_KEY))
    insecure = {"backup.s3.caFrom": {"secretKeyRef": key}, "backup.s3.endpoint": "http://minio:9000"}
    yield insecure, "backup.s3.caFrom", NO_CERTIFICATE
    encryptions = 'Unsupported value: "aes256": supported values: "AES256", "aws:kms"'
    yield from at("backup.s3.serverSideEncryption", ("aes256", encryptions))
    kms = "backup.s3.kmsKeyID"
    yield from at(kms, ("alias/a", KMS), too_long(512))
    yield {kms: "alias/a", "backup.s3.serverSideEncryption": "AES256"}, kms, KMS
    spaces = "write a key's id, its ARN or alias/name, without spaces"
    yield {kms: "a b", "backup.s3.serverSideEncryption": "aws:kms"}, kms, spaces
    checksums = 'Unsupported value: "Never": supported values: "Auto", "FullObject", "WhenRequired"'
    yield from at("backup.s3.checksums", ("Never", checksums))
