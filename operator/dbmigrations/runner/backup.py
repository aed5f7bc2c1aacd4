"""backup: a verified dump in the bucket, or nothing at all.

The order is the safety: dump and upload in one pass, then verification, and the manifest last. Whatever fails before
that leaves neither an object nor a part behind.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dbmigrations.runner import (
    catalogue,
    database,
    expectations,
    manifest,
    parts,
    pgtools,
    probe,
    read_back,
    schema,
    sessions,
    snapshot,
    store,
)
from dbmigrations.runner.context import ignore_signals
from dbmigrations.runner.dump import Compression, Dump, choose_compression
from dbmigrations.runner.dump_check import DumpCheck, verification_failed
from dbmigrations.runner.dump_reader import name_of
from dbmigrations.runner.errors import BackupError, ConfigError
from dbmigrations.runner.upload import Upload, already_exists

if TYPE_CHECKING:
    from dbmigrations.runner.catalogue import Identity
    from dbmigrations.runner.context import Context
    from dbmigrations.runner.database import Connection
    from dbmigrations.runner.dump_check import Contents
    from dbmigrations.runner.pgtools import Tools
    from dbmigrations.runner.probe import Abilities
    from dbmigrations.runner.snapshot import Snapshot
    from dbmigrations.runner.store import Bucket
    from dbmigrations.runner.upload import Stored


@dataclass(frozen=True)
class _Plan:
    """What is known before the first byte."""

    bucket: str
    tools: Tools
    compression: Compression
    abilities: Abilities
    identity: Identity
    schema_hash: str
    dump_key: str
    manifest_key: str
    part_bytes: int


@dataclass(frozen=True)
class _Verification:
    """How the dump was verified, when (UTC), and why not as asked for."""

    mode: str
    at: datetime
    note: str


def run(context: Context) -> dict[str, Any]:
    """Make the backup; returns its facts. Raises RunnerError."""
    config, log = context.config, context.log
    if config.store is None:
        raise ConfigError("InvalidConfig", "store is missing: a backup needs a bucket.")
    begun = time.monotonic()
    store.hide_application_credentials(os.environ)
    bucket = store.connect(config.store, store.LONG)
    with database.session(context.target, "backup") as connection:
        plan = _prepare(context, connection, bucket)
        with snapshot.take(connection, config.version_table) as moment:
            expectations.check_revisions(config, moment.versions.revisions, "RevisionsChanged")
            contents, stored, verification = _transfer(context, bucket, plan, moment)
        facts = _facts(plan, moment, contents, stored, verification)
    facts["durationSeconds"] = round(time.monotonic() - begun, 1)
    log.step("backup", "the manifest is written: the backup exists", **facts)
    return facts


def _prepare(context: Context, connection: Connection, bucket: Bucket) -> _Plan:
    config, log = context.config, context.log
    identity = catalogue.identify(connection)
    expectations.check_identity(config, identity)
    tools = pgtools.choose(identity.major)
    compression = choose_compression(config.backup.compression, tools)
    abilities = probe.run(bucket, config, log)
    prefix = store.attempt_prefix(config)
    swept = parts.sweep(bucket, store.own_prefix(config), f"{prefix}dump.pgc")
    if swept:
        log.step("store", "unfinished uploads of earlier attempts were removed", uploads=swept)
    if not config.online:
        sessions.wait_until_alone(
            connection,
            config.sessions,
            lambda found: log.step(
                "sessions", "waiting for other sessions to end", sessions=[str(one) for one in found]
            ),
        )
    digest = schema.schema_hash(context.target, tools, "backup", config.deadline_seconds)
    return _Plan(
        bucket=bucket.store.bucket,
        tools=tools,
        compression=compression,
        abilities=abilities,
        identity=identity,
        schema_hash=digest,
        dump_key=f"{prefix}dump.pgc",
        manifest_key=f"{prefix}manifest.json",
        part_bytes=parts.part_size(identity.size_bytes, compressed=compression.compressed),
    )


def _transfer(
    context: Context, bucket: Bucket, plan: _Plan, moment: Snapshot
) -> tuple[Contents, Stored, _Verification]:
    """Dump, upload, verify, write the manifest; on any failure the store is left as it was."""
    log = context.log
    if manifest.exists(bucket, plan.manifest_key):
        # Known before the work is done; the condition on the write decides.
        raise already_exists(plan.manifest_key)
    upload = Upload(
        bucket,
        plan.dump_key,
        plan.part_bytes,
        checksum=plan.abilities.full_object_checksum,
        once=plan.abilities.conditional_writes,
    )
    try:
        log.step("dump", "started", compression=plan.compression.spec, partBytes=plan.part_bytes)
        contents = _dump(context, plan, moment, upload)
        _check_contents(contents, moment)
        log.step("upload", "all bytes are parsed; waiting for the last parts", bytes=contents.size)
        stored = upload.finish()
        verification = _verify(context, bucket, plan, contents, stored)
        log.step("verify", "the stored dump is whole", mode=verification.mode, note=verification.note)
        content = _manifest(context, plan, moment, contents, stored, verification)
        manifest.write(bucket, plan.manifest_key, content, once=plan.abilities.conditional_writes)
    except BaseException as error:
        if isinstance(error, BackupError) and error.reason == "ManifestExists" and not plan.abilities.versioned:
            upload.disown()
        ignore_signals()
        log.step("upload", "removing what was stored")
        upload.abort(store.connect(bucket.store, store.CLEAN_UP))
        raise
    return contents, stored, verification


def _dump(context: Context, plan: _Plan, moment: Snapshot, upload: Upload) -> Contents:
    version_table = None
    if moment.versions.exists:
        names = (moment.versions.schema, moment.versions.name)
        version_table = next((table for table in moment.tables.required if name_of(table) == ".".join(names)), None)
    check = DumpCheck(plan.tools, version_table)
    try:
        dump = Dump(context.target, plan.tools, plan.compression, moment.id)
        try:
            dump.copy(upload, check, moment.release)
        finally:
            dump.close()
        return check.finish()
    finally:
        check.close()


def _check_contents(contents: Contents, moment: Snapshot) -> None:
    """The dump holds the tables and the revisions that the database held at the same moment."""
    dumped = set(contents.rows)
    missing = sorted(moment.tables.required - dumped)
    strange = sorted(dumped - moment.tables.required - moment.tables.optional)
    if missing:
        raise verification_failed(f"{len(missing)} table(s) are missing in it: {', '.join(map(name_of, missing[:8]))}")
    if strange:
        raise verification_failed(f"it has table(s) that the catalogue has not: {', '.join(map(name_of, strange[:8]))}")
    if contents.revisions != moment.versions.revisions:
        raise verification_failed(
            f"its version table says {sorted(contents.revisions)}, the database's {sorted(moment.versions.revisions)}"
        )


def _verify(context: Context, bucket: Bucket, plan: _Plan, contents: Contents, stored: Stored) -> _Verification:
    asked = context.config.backup.verify
    note = ""
    if asked == "Stream" and not stored.checksum:
        note = "the store keeps no checksum of a whole multipart object, so the dump was read back"
    if asked == "ReadBack" or note:
        context.log.step("verify", "reading the dump back")
        _read_back(bucket, plan, contents, stored)
        return _Verification("ReadBack", datetime.now(UTC), note)
    return _Verification("Stream", datetime.now(UTC), "")


def _read_back(bucket: Bucket, plan: _Plan, contents: Contents, stored: Stored) -> None:
    check = DumpCheck(plan.tools, None)
    try:
        for piece in read_back.pieces(bucket, stored):
            check.feed(memoryview(piece))
        again = check.finish()
    finally:
        check.close()
    if replace(again, revisions=contents.revisions) != contents:
        raise verification_failed(f"read back, its SHA-256 is {again.sha256} instead of {contents.sha256}")


def _manifest(
    context: Context, plan: _Plan, moment: Snapshot, contents: Contents, stored: Stored, verification: _Verification
) -> dict[str, Any]:
    config = context.config
    return {
        "resource": {"namespace": config.namespace, "name": config.name, "uid": config.uid},
        "run": config.run,
        "attempt": config.attempt,
        "database": {
            "id": plan.identity.id,
            "name": plan.identity.database,
            "serverVersion": plan.identity.version,
            "encoding": moment.encoding,
            "sizeBytes": plan.identity.size_bytes,
        },
        "versionTable": config.version_table,
        "revisions": sorted(moment.versions.revisions),
        "schemaHash": plan.schema_hash,
        "takenAt": timestamp(moment.taken_at),
        "dump": {
            "key": stored.key,
            "versionID": stored.version,
            "sizeBytes": stored.size,
            "sha256": contents.sha256,
            "crc32": probe.crc32_header(contents.crc32),
            "parts": stored.parts,
            "partBytes": plan.part_bytes,
            "compression": plan.compression.spec,
            "clientMajor": plan.tools.major,
        },
        "verified": {"mode": verification.mode, "at": timestamp(verification.at), "note": verification.note},
        "rows": {name_of(table): count for table, count in sorted(contents.rows.items())},
    }


def _facts(
    plan: _Plan, moment: Snapshot, contents: Contents, stored: Stored, verification: _Verification
) -> dict[str, Any]:
    return {
        "uri": f"s3://{plan.bucket}/{stored.key}",
        "manifestKey": plan.manifest_key,
        "versionID": stored.version,
        "sizeBytes": stored.size,
        "sha256": contents.sha256,
        "takenAt": timestamp(moment.taken_at),
        "verified": True,
        "verifiedAt": timestamp(verification.at),
        "verify": verification.mode,
        "verifyNote": verification.note,
        "compression": plan.compression.spec,
        "compressionNote": plan.compression.note,
        "serverVersion": plan.identity.version,
        "tables": len(contents.rows),
        "rows": sum(contents.rows.values()),
        "identity": {"id": plan.identity.id},
        "revisions": sorted(moment.versions.revisions),
        "schema": plan.schema_hash,
    }


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
