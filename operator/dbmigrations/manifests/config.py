"""What the runner's programs are told: the JSON of DBM_CONFIG. It holds names and expectations, never a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dbmigrations.manifests.runner import CA_PATH

if TYPE_CHECKING:
    from dbmigrations.api.run import Run
    from dbmigrations.api.spec import Json, Spec
    from dbmigrations.manifests.resource import Resource


def runner_config(program: str, resource: Resource, spec: Spec, run: Run, attempt: int, deadline: int) -> Json:
    """Return the configuration of one program; `deadline` in seconds from its start."""
    return {
        "program": program,
        "namespace": resource.namespace,
        "name": resource.name,
        "uid": resource.uid,
        "run": run.id,
        "attempt": attempt,
        "connection": spec.migration["connectionEnv"],
        "versionTable": spec.version_table,
        "target": spec.target,
        "deadlineSeconds": deadline,
        "sessions": {"ignore": list(spec.sessions_ignore), "timeoutSeconds": spec.sessions_timeout},
        "online": spec.online,
        "store": _store(spec),
        "backup": {"verify": spec.backup_spec["verify"], "compression": spec.backup_spec["compression"]},
        "expect": _expect(run),
        "lockTimeoutSeconds": spec.lock_timeout,
        "sizeBytes": run.inspection.size_bytes if run.inspection else 0,
    }


def _store(spec: Spec) -> Json | None:
    if spec.s3 is None:
        return None
    return {
        "bucket": spec.s3["bucket"],
        "prefix": spec.s3["prefix"],
        "endpoint": spec.s3.get("endpoint", ""),
        "region": spec.s3.get("region", ""),
        "caFile": CA_PATH if "caFrom" in spec.s3 else "",
        "checksums": spec.s3["checksums"],
        "serverSideEncryption": spec.s3.get("serverSideEncryption", ""),
        "kmsKeyID": spec.s3.get("kmsKeyID", ""),
    }


def _expect(run: Run) -> Json | None:
    if run.planned is None or run.inspection is None:
        return None
    manifest: dict[str, Any] | None = None
    if run.backup:
        manifest = {"key": run.backup.manifest_key, "sha256": run.backup.sha256}
    return {
        "revisions": list(run.planned.revisions),
        "schemaHash": run.planned.schema,
        "database": {"id": run.inspection.identity},
        "manifest": manifest,
    }
