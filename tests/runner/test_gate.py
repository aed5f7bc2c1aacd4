"""The gate opens for the database, the version and the backup of the plan, and for nothing else."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runner.programs import Job
    from tests.servers.postgres import Postgres
    from tests.servers.s3 import Store

pytestmark = pytest.mark.server


@pytest.fixture
def plan(job: Job) -> dict[str, Any]:
    """What the operator tells the gate after inspect and backup."""
    inspected = job.run("inspect").succeeded()
    backup = job.run("backup").succeeded()
    assert backup["schema"] == inspected["fingerprint"]["schema"]
    assert backup["identity"] == inspected["identity"]
    return {
        "revisions": inspected["revisions"],
        "schemaHash": inspected["fingerprint"]["schema"],
        "database": inspected["identity"],
        "manifest": {"key": backup["manifestKey"], "sha256": backup["sha256"]},
    }


def test_the_gate_opens_and_says_what_is_there(job, plan):
    inspected = job.run("inspect").succeeded()
    assert job.run("gate", expect=plan).succeeded()["fingerprint"] == inspected["fingerprint"]


def test_without_a_backup_in_the_plan_none_is_looked_for(job, plan):
    job.run("gate", expect={**plan, "manifest": None}, store=None).succeeded()


def dump_file(store: Store, bucket: str) -> Any:
    (key,) = [key for key in store.keys(bucket) if key.endswith("dump.pgc")]
    return store.file(bucket, key)


def no_manifest(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    store.client().delete_object(Bucket=bucket, Key=plan["manifest"]["key"])


def no_dump(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    dump_file(store, bucket).unlink()


def truncated_dump(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    os.truncate(dump_file(store, bucket), 100)


def another_dump(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    plan["manifest"]["sha256"] = "0" * 64


def unverified(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    _edit(store, bucket, plan, lambda manifest: manifest.pop("verified"))


def no_json(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    store.client().put_object(Bucket=bucket, Key=plan["manifest"]["key"], Body=b"hello")


def of_another_database(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    _edit(store, bucket, plan, lambda manifest: manifest["database"].update(id="another"))


def of_another_version(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    _edit(store, bucket, plan, lambda manifest: manifest.update(revisions=["0a"]))


def _edit(store: Store, bucket: str, plan: dict[str, Any], change: Callable[[dict[str, Any]], Any]) -> None:
    client, key = store.client(), plan["manifest"]["key"]
    manifest = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    change(manifest)
    client.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode())


def moved_on(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    pg.execute("UPDATE alembic_version SET version_num = 'b2'", database)


def another_head(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    pg.execute("INSERT INTO alembic_version VALUES ('b2')", database)


def another_schema(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    pg.execute("ALTER TABLE customer RENAME name TO title", database)


def another_function(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    pg.execute("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", database)


def swapped(pg: Postgres, database: str, store: Store, bucket: str, plan: dict[str, Any]) -> None:
    pg.execute(f"ALTER DATABASE {database} RENAME TO {database}_old")
    pg.execute(f"CREATE DATABASE {database} TEMPLATE {database}_old")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (no_manifest, "BackupMissing"),
        (no_json, "BackupMissing"),
        (no_dump, "BackupMissing"),
        (truncated_dump, "BackupNotVerified"),
        (another_dump, "BackupNotVerified"),
        (unverified, "BackupNotVerified"),
        (of_another_database, "BackupNotVerified"),
        (of_another_version, "BackupNotVerified"),
        (moved_on, "PlanOutdated"),
        (another_head, "PlanOutdated"),
        (another_schema, "PlanOutdated"),
        (another_function, "PlanOutdated"),
        (swapped, "WrongDatabase"),
    ],
)
def test_the_gate_stays_shut(change, reason, pg, database, job, s3_store, bucket, plan):
    change(pg, database, s3_store, bucket, plan)
    job.run("gate", expect=plan).failed_with(reason)


def test_foreign_sessions_keep_the_gate_shut_unless_online(pg, database, job, plan):
    quiet = {"ignore": ["exporter"], "timeoutSeconds": 0}
    with pg.connect(database, application_name="exporter"):
        job.run("gate", expect=plan, sessions=quiet).succeeded()
    with pg.connect(database, application_name="web"):
        job.run("gate", expect=plan, sessions=quiet).failed_with("ForeignSessions")
        job.run("gate", expect=plan, sessions=quiet, online=True).succeeded()
    with pg.connect("postgres", application_name="web"):
        job.run("gate", expect=plan, sessions=quiet).succeeded()
