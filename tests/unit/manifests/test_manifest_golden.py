"""The Jobs of a run as YAML, so that a change of what runs in a cluster is seen in review.

`DBM_UPDATE_GOLDEN=1 pytest tests/unit/manifests` writes them again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.unit.making import NAME, NEW, SPACE, UID, Json, spec, workload

from dbmigrations.api.run import Attempt, Backup, Fingerprint, Inspection, Run, Step
from dbmigrations.manifests.jobs import Builder
from dbmigrations.manifests.resource import Resource
from dbmigrations.manifests.runner import Runner
from dbmigrations.manifests.source import pod_source

if TYPE_CHECKING:
    from dbmigrations.api.spec import Spec

GOLDEN = Path(__file__).parent / "golden"
RUNNER = Runner("registry.example/dbmigrations/runner:1.0.0")

FULL: Json = {
    "migration": {
        "podFrom": {"kind": "StatefulSet", "name": "shop-api", "container": "app"},
        "image": NEW,
        "imagePullPolicy": "Always",
        "command": ["shopctl", "db", "upgrade", "$(DBM_TARGET)"],
        "workingDir": "/srv/db",
        "env": [{"name": "LOG", "value": "debug"}, {"name": "EXTRA", "value": "1"}],
        "envFrom": [{"secretRef": {"name": "more"}}],
        "resources": {"limits": {"memory": "1Gi"}},
        "serviceAccountName": "migrator",
        "imagePullSecrets": [{"name": "second"}],
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "db", "operator": "Exists"}],
        "labels": {"network": "database"},
        "connectionEnv": {
            "url": None,
            "host": "DB_HOST",
            "port": "DB_PORT",
            "user": "DB_USER",
            "password": "DB_PASSWORD",
            "database": "DB_NAME",
        },
        "versionTable": "shop.alembic_version",
        "timeout": "45m",
        "lockTimeout": "3s",
        "statementTimeout": "10m",
    },
    "workloads": [{"kind": "StatefulSet", "name": "shop-api"}, {"kind": "Deployment", "name": "shop-worker"}],
    "sessions": {"ignore": ["pgbouncer", "exporter"], "timeout": "90s"},
    "backup": {
        "verify": "ReadBack",
        "compression": "zstd:3",
        "timeout": "2h",
        "s3": {
            "bucket": "backups",
            "prefix": "team/shop",
            "endpoint": "https://s3.storage.svc:9000",
            "region": "eu-central-1",
            "caFrom": {"configMapKeyRef": {"name": "ca", "key": "ca.crt"}},
            "serverSideEncryption": "aws:kms",
            "kmsKeyID": "key-1",
            "checksums": "FullObject",
        },
    },
}

FULL_CONTAINER: Json = {
    "env": [
        {"name": "DB_HOST", "value": "pg"},
        {"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "LOG", "value": "info"},
        {"name": "PGOPTIONS", "value": "-c search_path=shop"},
        {"name": "AWS_ACCESS_KEY_ID", "valueFrom": {"secretKeyRef": {"name": "app-s3", "key": "id"}}},
    ],
    "envFrom": [{"configMapRef": {"name": "shop"}}],
    "workingDir": "/srv",
    "imagePullPolicy": "IfNotPresent",
    "command": ["uvicorn", "shop:app"],
    "ports": [{"containerPort": 8000}],
    "livenessProbe": {"httpGet": {"port": 8000}},
    "resources": {"limits": {"memory": "256Mi"}},
    "volumeMounts": [
        {"name": "config", "mountPath": "/etc/shop"},
        {"name": "data", "mountPath": "/data"},
        {"name": "uploads", "mountPath": "/uploads"},
    ],
    "securityContext": {"readOnlyRootFilesystem": True, "runAsUser": 1000, "runAsGroup": 1000},
}

FULL_POD: Json = {
    "serviceAccountName": "shop",
    "nodeSelector": {"disk": "slow"},
    "tolerations": [{"key": "web", "operator": "Exists"}],
    "affinity": {
        "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}},
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": []},
    },
    "imagePullSecrets": [{"name": "first"}],
    "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["pg"]}],
    "securityContext": {"fsGroup": 1000, "runAsNonRoot": True},
    "initContainers": [{"name": "wait", "image": "busybox"}],
    "volumes": [
        {"name": "config", "configMap": {"name": "shop"}},
        {"name": "uploads", "persistentVolumeClaim": {"claimName": "uploads"}},
        {"name": "not-mounted", "secret": {"secretName": "private"}},
    ],
}


def a_run(parsed: Spec) -> Run:
    return Run(
        "1-ab12cd34",
        1,
        parsed.hash,
        inspection=Inspection("17.6", 5_000_000_000, "shop", "db-1", 300 * 2**20),
        planned=Fingerprint(("0004",), "schema-1"),
        backup=Backup("s3://backups/k/dump.pgc", manifest_key="k/manifest.json", sha256="5e" * 32, verified=True),
    )


def minimal() -> Builder:
    parsed = spec()
    return Builder(Resource(SPACE, NAME, UID), parsed, pod_source(workload(), ""), a_run(parsed), RUNNER)


def full() -> Builder:
    parsed = spec(FULL)
    app = workload(kind="StatefulSet", container=FULL_CONTAINER, pod=FULL_POD)
    app["spec"]["template"]["spec"]["containers"].insert(0, {"name": "proxy", "image": "envoy"})
    app["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": "data"}, "spec": {}}]
    return Builder(Resource(SPACE, NAME, UID), parsed, pod_source(app, "app"), a_run(parsed), RUNNER)


@pytest.mark.parametrize("step", [Step.INSPECT, Step.BACKUP, Step.MIGRATE])
@pytest.mark.parametrize("size", ["minimal", "full"])
def test_a_job_is_what_the_golden_file_says(size: str, step: Step) -> None:
    builder = minimal() if size == "minimal" else full()
    compare(builder.job(step, 1), f"{size}-{step.lower()}.yaml")


def test_a_recheck_ends_the_sessions_of_the_migrations_pods_and_needs_no_bucket() -> None:
    builder = minimal()
    attempts = {"Migrate": Attempt(1, "u", addresses=("10.1.0.7", "fd00::7"))}
    run = Run(**{**vars(builder.run), "attempts": attempts})
    made = Builder(builder.resource, builder.spec, builder.source, run, builder.runner)
    compare(made.job(Step.RECHECK, 2), "minimal-recheck.yaml")


def compare(job: Json, name: str) -> None:
    """Compare with the golden file, or write it."""
    job = json.loads(json.dumps(job))
    text = yaml.safe_dump(job, sort_keys=True, width=140)
    path = GOLDEN / name
    if os.environ.get("DBM_UPDATE_GOLDEN"):
        path.write_text(text)
    assert yaml.safe_load(path.read_text()) == job, f"{name} differs: see the module's docstring"
