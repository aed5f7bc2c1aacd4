"""gate: the last look before the migration starts. Whatever fails here, Alembic has not run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import catalogue, database, expectations, fingerprint, manifest, pgtools, sessions, store
from dbmigrations.runner.errors import GateError, StoreError
from dbmigrations.runner.store import cause_code

if TYPE_CHECKING:
    from dbmigrations.runner.config import ExpectedManifest
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.store import Bucket


def run(context: Context) -> dict[str, Any]:
    """The fingerprint before the migration. Raises RunnerError if it must not start."""
    config, log = context.config, context.log
    store.hide_application_credentials(os.environ)
    if config.store is not None and config.expect.manifest is not None:
        check_backup(context, store.connect(config.store, store.QUICK), config.expect.manifest)
        log.step("store", "the verified backup is there", key=config.expect.manifest.key)
    with database.session(context.target, "gate") as connection:
        identity = catalogue.identify(connection)
        expectations.check_identity(config, identity)
        if not config.online:
            sessions.wait_until_alone(
                connection,
                config.sessions,
                lambda found: log.step(
                    "sessions", "waiting for other sessions to end", sessions=[str(one) for one in found]
                ),
            )
        now = fingerprint.take(
            connection,
            context.target,
            pgtools.choose(identity.major),
            program="gate",
            version_table=config.version_table,
            timeout_seconds=config.deadline_seconds,
        )
    expectations.check_revisions(config, now.revisions, "PlanOutdated")
    if config.expect.schema_hash and config.expect.schema_hash != now.schema:
        raise GateError(
            "PlanOutdated",
            "The schema is another one than at the inspection: somebody has changed it in between.",
            "A new run (spec.retryToken) inspects it again.",
            facts={"fingerprint": now.facts()},
        )
    log.step("gate", "open", revisions=sorted(now.revisions))
    return {"fingerprint": now.facts()}


def check_backup(context: Context, bucket: Bucket, expected: ExpectedManifest) -> None:
    """The manifest is of this database and version, and its dump is there. Raises GateError or StoreError."""
    content = manifest.read(bucket, expected.key)
    if content is None:
        raise GateError(
            "BackupMissing", f"There is no backup manifest at {expected.key}.", "A new run makes a new backup."
        )
    dump, source = content.get("dump", {}), content.get("database", {})
    config = context.config
    problems = {
        "it is of another dump than the one that was verified": dump.get("sha256") != expected.sha256,
        "it was never verified": not content.get("verified", {}).get("mode"),
        "it is of another database": bool(config.expect.database_id) and source.get("id") != config.expect.database_id,
        "it is of another version of the database": config.expect.revisions is not None
        and frozenset(content.get("revisions", [])) != config.expect.revisions,
    }
    for problem, found in problems.items():
        if found:
            raise _not_verified(expected.key, problem)
    _check_dump(bucket, expected.key, dump)


def _check_dump(bucket: Bucket, key: str, dump: dict[str, Any]) -> None:
    named = {"VersionId": dump["versionID"]} if dump.get("versionID") else {}
    wanted = {} if bucket.store.checksums == "WhenRequired" else {"ChecksumMode": "ENABLED"}
    try:
        head = bucket.call("looking for the dump", "head_object", Key=dump.get("key", ""), **named, **wanted)
    except StoreError as error:
        if cause_code(error) in ("NoSuchKey", "NoSuchVersion"):
            raise GateError(
                "BackupMissing",
                f"The dump {dump.get('key')} is no longer in the bucket.",
                "A new run makes a new backup.",
            ) from None
        raise
    if head.get("ContentLength") != dump.get("sizeBytes"):
        raise _not_verified(key, "the dump in the bucket has another size than the one that was verified")
    if head.get("ChecksumType") == "FULL_OBJECT" and head.get("ChecksumCRC32", dump.get("crc32")) != dump.get("crc32"):
        raise _not_verified(key, "the dump in the bucket has another checksum than the one that was verified")


def _not_verified(key: str, problem: str) -> GateError:
    return GateError(
        "BackupNotVerified", f"The backup {key} cannot be relied on: {problem}.", "A new run makes a new backup."
    )
