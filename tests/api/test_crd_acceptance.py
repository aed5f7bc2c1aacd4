"""What the API server takes: forms that people write, the very bounds, and the defaults that it fills in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.api.manifests import GONE, Patch, patched, try_to_create
from tests.api.schema import crd

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

pytestmark = pytest.mark.cluster

DIGEST = f"sha256:{'0a' * 32}"
REFERENCE = {"name": "a", "key": "ca.crt"}


def each(path: str, *values: Any) -> list[Patch]:
    """One change for each value."""
    return [{path: value} for value in values]


def http(**changes: Any) -> Patch:
    """A probe."""
    return {"probe.http": {"service": "shop", "port": 80, **changes}}


def env(*items: Json) -> Patch:
    """Environment variables."""
    return {"migration.env": [{"name": f"A{number}", **item} for number, item in enumerate(items)]}


ACCEPTED: tuple[Patch, ...] = (
    {},
    *each("migration.target", "heads", "head", "shop@head", "shop@heads", "shop@ae1027a6acf4", "0005", "1e10"),
    *each("migration.target", "ae1027a6acf4", "0008_orders.summary", "nexté", "a" * 128, None),
    *each("migration.image", "a" * 500, "shop:1.5.0", "registry:5000/a/shop", f"shop@{DIGEST}", f"a.b/c:1@{DIGEST}"),
    *each("migration.image", "localhost/shop:1", "[::1]:5000/shop:1", "Registry.Example/shop:V1", "a__b/c--d", "shop"),
    *each("migration.command", ["shopctl", "db", "upgrade"], ["sh", "-c", "exec alembic upgrade head"], ["a", ""]),
    *each("migration.command", ["a"] * 64),
    *each("migration.workingDir", "", "/", "/srv/shop", "/" + "a" * 4095),
    *each("migration.podFrom.container", "", "api"),
    *each("migration.podFrom.name", "a", "shop-api", "0", "a.b-c.d", "a" * 253),
    *each("migration.serviceAccountName", "", "shop", "a.b"),
    env({"value": "1"}, {}, {"valueFrom": {"secretKeyRef": {**REFERENCE, "optional": True}}}),
    env({"valueFrom": {"configMapKeyRef": REFERENCE}}, {"valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}),
    env({"valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}}, {"value": ""}),
    env({"valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": 1}}}),
    {"migration.env": [{"name": "PGOPTIONS", "value": "-c a=b"}, {"name": "a.b-c", "value": "x" * 32768}]},
    {"migration.envFrom": [{"prefix": "A_", "secretRef": {"name": "a"}}, {"configMapRef": {"name": "a"}}]},
    {"migration.resources": {"requests": {"cpu": "100m", "memory": 1024}, "limits": {"nvidia.com/gpu": 1}}},
    {"migration.resources": {}},
    {"migration.labels": {"a": "b", "example.org/a.b_c": "B-1", "b": "", "a" * 63: "b" * 63}},
    {"migration.nodeSelector": {"kubernetes.io/arch": "amd64"}},
    {"migration.tolerations": [{"operator": "Exists"}, {"key": "a", "effect": "NoExecute", "tolerationSeconds": 60}]},
    {"migration.tolerations": [], "migration.env": [], "migration.labels": {}, "sessions.ignore": []},
    *each("migration.connectionEnv", {"host": "H"}, {"url": "shop.database-url"}),
    {"migration.connectionEnv": dict.fromkeys(("host", "port", "user", "password", "database"), "A")},
    *each("migration.versionTable", "versions", "public.alembic_version", f"{'a' * 63}.{'b' * 63}", "Shop-Versions"),
    *each("migration.timeout", "1s", "90s", "1h30m", "168h", "604800s", "10080m", "30m0s"),
    *each("migration.lockTimeout", "0s", "0h"),
    *each("migration.statementTimeout", "0s", "1h"),
    *each("migration.lockRetries", 0, 20),
    *each("sessions.timeout", "0s", "2m"),
    *each("sessions.ignore", ["postgres_exporter", "DBeaver 24 - Main"]),
    # The same name may be a Deployment and a StatefulSet.
    *each("workloads", [{"kind": "Deployment", "name": "a"}, {"kind": "StatefulSet", "name": "a"}]),
    *each("workloads", [{"kind": "Deployment", "name": f"a{number}"} for number in range(32)]),
    *each("backup", {"mode": "Skip"}),
    *each("backup.compression", "none", "gzip", "gzip:9", "zstd", "zstd:0", "zstd:22", "lz4", "lz4:12"),
    *each("backup.s3.bucket", "abc", "my.backups-1", "a" * 63),
    *each("backup.s3.prefix", "", "production", "teams/shop/", "env=prod/a.b", "a" * 512, "...", "a..b"),
    *each("backup.s3.endpoint", "", "http://minio:9000", "https://s3.example.org/base", "https://[::1]:9000"),
    *each("backup.s3.region", "", "eu-central-1"),
    *each("backup.s3.kmsKeyID", ""),
    {"backup.s3.caFrom": {"secretKeyRef": REFERENCE}, "backup.s3.endpoint": "https://minio"},
    {"backup.s3.caFrom": {"configMapKeyRef": REFERENCE}},
    {"backup.s3.serverSideEncryption": "aws:kms", "backup.s3.kmsKeyID": "arn:aws:kms:eu-central-1:1:key/a"},
    http(port=65535, path="/health?full=1", status=204),
    http(path="/"),
    http(expectJSON={}),
    {"probe.successes": 1, "probe.interval": "1h", "probe.timeout": "1s"},
    {"probe.successes": 100, "probe.interval": "1s", "probe.timeout": "100s"},
    *each("rehearsal", {"mode": "Skip"}, {"image": "postgis/postgis:17-3.5", "dataOf": ["country", "shop.Currency"]}),
    *each("rehearsal.env", [], [{"name": "SECRET_KEY", "value": ""}, {"name": "DEBUG", "value": "1"}]),
    *each("dryRun", True, False),
    *each("retryToken", "", "2026-11-22", "try again, please", "a" * 128),
    {"metadata.name": "a" * 253},
)  # fmt: skip


@pytest.mark.parametrize("patch", ACCEPTED, ids=lambda patch: str(patch)[1:90])
def test_accepted(cluster: Cluster, space: str, patch: Patch) -> None:
    answer = try_to_create(cluster, space, patched(patch))
    assert answer.status == 201, answer.problems


def test_the_largest_manifest_stays_within_the_cost_limit_of_cel(cluster: Cluster, space: str) -> None:
    """Each rule may pass where all together, over full lists of long texts, would be too expensive."""
    many = range(128)
    labels = {f"{'d' * 200}/{'n' * 50}{number}": "v" * 63 for number in range(32)}
    reference = {"secretKeyRef": {"name": "a" * 253, "key": "k" * 253}}
    largest: Patch = {
        "migration.podFrom.name": "a" * 253,
        "migration.image": "a" * 500,
        "migration.command": ["c" * 4096] * 16,
        "migration.env": [{"name": f"{'E' * 250}{number}", "valueFrom": reference} for number in many],
        "migration.envFrom": [{"prefix": "P" * 256, "secretRef": {"name": "a" * 253}}] * 32,
        "migration.labels": labels,
        "migration.nodeSelector": labels,
        "workloads": [{"kind": "Deployment", "name": f"{'a' * 250}{number}"} for number in range(32)],
        "rehearsal.image": "a" * 500,
        "rehearsal.env": [{"name": f"{'E' * 250}{number}", "value": "v"} for number in many],
        "rehearsal.dataOf": [f"{'s' * 63}.{'t' * 61}{number:02}" for number in range(64)],
        "backup.s3.prefix": "a" * 512,
        "probe.http": {"service": "a" * 63, "port": 80, "path": "/" + "a" * 1023},
    }
    answer = try_to_create(cluster, space, patched(largest))
    assert answer.status == 201, answer.problems


DEFAULTS: Json = {
    "migration": {
        "podFrom": {"kind": "Deployment", "name": "shop-api"},
        "image": "shop:1.5.0",
        "connectionEnv": {"url": "DATABASE_URL"},
        "target": "heads",
        "command": ["alembic", "upgrade", "$(DBM_TARGET)"],
        "versionTable": "alembic_version",
        "timeout": "30m",
        "lockTimeout": "5s",
        "statementTimeout": "0s",
        "lockRetries": 3,
    },
    "workloads": [{"kind": "Deployment", "name": "shop-api"}],
    "strategy": "Downtime",
    "rehearsal": {"mode": "Required"},
    "sessions": {"ignore": [], "timeout": "2m"},
    "resume": {"mode": "SetImage", "timeout": "10m"},
    "backup": {
        "mode": "Required",
        "verify": "Stream",
        "compression": "zstd:1",
        "timeout": "1h",
        "s3": {"bucket": "backups", "prefix": "", "checksums": "Auto"},
    },
    "probe": {"successes": 3, "interval": "1s", "timeout": "5m"},
    "dryRun": False,
}


def test_the_defaults(cluster: Cluster, space: str) -> None:
    assert try_to_create(cluster, space, patched({})).body["spec"] == DEFAULTS


PARTLY: tuple[tuple[Patch, str, Json], ...] = (
    ({"probe": {"successes": 1}}, "probe", {"successes": 1, "interval": "1s", "timeout": "5m"}),
    (http(), "probe", {**DEFAULTS["probe"], "http": {"service": "shop", "port": 80, "path": "/readyz", "status": 200}}),
    ({"sessions": {"ignore": ["a"]}}, "sessions", {"ignore": ["a"], "timeout": "2m"}),
    ({"resume": {"mode": "Scale"}}, "resume", {"mode": "Scale", "timeout": "10m"}),
    (
        {"backup": {"mode": "Skip"}},
        "backup",
        {"mode": "Skip", "verify": "Stream", "compression": "zstd:1", "timeout": "1h"},
    ),
    # What a template leaves empty is as good as absent.
    ({"sessions": None, "migration.target": None}, "sessions", DEFAULTS["sessions"]),
)  # fmt: skip


@pytest.mark.parametrize(("patch", "part", "expected"), PARTLY)
def test_what_is_left_out_of_a_part_is_filled_in(
    cluster: Cluster, space: str, patch: Patch, part: str, expected: Json
) -> None:
    assert try_to_create(cluster, space, patched(patch)).body["spec"][part] == expected


def test_expected_json_is_kept_as_it_is(cluster: Cluster, space: str) -> None:
    expected = {"status": "ready", "checks": {"database": [1, 2.5, None, {"a": True}]}, "error": None}
    answer = try_to_create(cluster, space, patched(http(expectJSON=expected)))
    assert answer.body["spec"]["probe"]["http"]["expectJSON"] == expected


UNKNOWN = (
    "spec.targets", "spec.migration.envs", "spec.migration.podFrom.namespace", "spec.migration.resources.limit",
    "spec.backup.s3.buckets", "spec.probe.http.headers", "spec.sessions.onForeign",
)  # fmt: skip


@pytest.mark.parametrize("path", UNKNOWN)
def test_an_unknown_field_is_refused_where_validation_is_strict_and_dropped_where_not(
    cluster: Cluster, space: str, path: str
) -> None:
    base = {**http(), "migration.resources": {}}
    manifest = patched({**base, path.removeprefix("spec."): {}})
    strict = try_to_create(cluster, space, manifest)
    assert strict.status == 400
    assert strict.body["message"].endswith(f'unknown field "{path}"')
    lax = try_to_create(cluster, space, manifest, validation="Ignore")
    assert lax.status == 201
    assert lax.body["spec"] == try_to_create(cluster, space, patched(base)).body["spec"]


def test_an_unknown_field_within_a_list_is_refused(cluster: Cluster, space: str) -> None:
    answer = try_to_create(cluster, space, patched({"migration.env": [{"name": "A", "valueForm": {}}]}))
    assert answer.body["message"].endswith('unknown field "spec.migration.env[0].valueForm"')


def test_the_name_is_bound_by_kubernetes_alone(cluster: Cluster, space: str) -> None:
    assert try_to_create(cluster, space, patched({"metadata.name": "a" * 254})).status == 422
    assert GONE not in patched({}).values()
    (version,) = crd()["spec"]["versions"]
    assert "x-kubernetes-validations" not in version["schema"]["openAPIV3Schema"]
