"""What people see by kubectl: columns, explanations, refusals of YAML as it is written, the samples."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from tests.api.manifests import patched, resources
from tests.api.schema import everything
from tests.cluster.cluster import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

pytestmark = pytest.mark.cluster

WIDTH = 120
SAMPLES = sorted((ROOT / "deploy" / "samples").glob("*.yaml"))
ANNOTATION_LIMIT = 262144
"""Bytes of all annotations of an object; a client-side apply keeps the whole manifest in one."""

# The longest words that each column holds in ordinary use: revision ids, several heads, hours of downtime.
LONG: dict[str, Json] = {
    "checkout-api-production": {
        "phase": "PuttingBack",
        "run": {"from": "3f9c1a7be204 +1", "to": "ae1027a6acf4 +1", "downtime": "59m59s"},
        "conditions": [{"type": "Ready", "status": "Unknown", "reason": "MigrationFailedHalfway"}],
    },
    "ledger-2026-11-release-rc1": {
        "phase": "BackingUp",
        "run": {"from": "0007_customer_emails", "to": "0008_orders_view", "downtime": "2h10m"},
        "conditions": [{"type": "Ready", "status": "False", "reason": "BackingUp"}],
    },
}


@pytest.fixture
def listed(cluster: Cluster, space: str) -> Iterator[str]:
    """Resources in the middle of their runs; the namespace that they are in."""
    for name, status in LONG.items():
        assert cluster.request("POST", resources(space), patched({"metadata.name": name})).status == 201
        (ready,) = status["conditions"]
        full = {**ready, "message": "…", "lastTransitionTime": "2026-11-22T02:14:07Z"}
        change = {"status": {**status, "conditions": [full]}}
        assert cluster.request("PATCH", f"{resources(space)}/{name}/status", change).status == 200
    yield space
    cluster.request("DELETE", resources(space))


@pytest.mark.parametrize("word", ["dbmigrations", "dbmigration", "dbm", "databasemigrations"])
def test_the_columns_fit_a_terminal(cluster: Cluster, listed: str, word: str) -> None:
    lines = cluster.kubectl("get", word, "-n", listed).splitlines()
    assert lines[0].split() == ["NAME", "PHASE", "READY", "FROM", "TO", "DOWNTIME", "AGE"]
    assert max(map(len, lines)) <= WIDTH
    for line, (name, status) in zip(lines[1:], sorted(LONG.items()), strict=True):
        run = status["run"]
        cells = re.split(r"\s{2,}", line.strip())[:-1]
        ready = status["conditions"][0]["status"]
        assert cells == [name, status["phase"], ready, run["from"], run["to"], run["downtime"]]


def test_wide_columns_tell_why_and_where(cluster: Cluster, listed: str) -> None:
    lines = cluster.kubectl("get", "dbm", "-n", listed, "-o", "wide").splitlines()
    assert lines[0].split()[-3:] == ["REASON", "RUN", "BACKUP"]
    assert "MigrationFailedHalfway" in lines[1]


def test_a_new_resource_shows_no_columns_that_mean_something(cluster: Cluster, space: str) -> None:
    cluster.request("POST", resources(space), patched({}))
    (line,) = cluster.kubectl("get", "dbm", "shop", "-n", space, "--no-headers").splitlines()
    assert line.split()[0] == "shop"
    assert len(line.split()) == 2  # name and age
    cluster.request("DELETE", f"{resources(space)}/shop")


def test_get_all_shows_them(cluster: Cluster, listed: str) -> None:
    assert "databasemigration.dbmigrations.dev/checkout-api-production" in cluster.kubectl(
        "get", "all", "-n", listed, "-o", "name"
    )


def test_a_client_side_apply_can_hold_the_definition(applied_crd: Json) -> None:
    annotations = applied_crd["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/last-applied-configuration" in annotations
    assert sum(len(key) + len(value.encode()) for key, value in annotations.items()) < ANNOTATION_LIMIT / 2
    conditions = {item["type"]: item["status"] for item in applied_crd["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


def test_explain_shows_every_field(cluster: Cluster, applied_crd: Json) -> None:
    shown = cluster.kubectl("explain", "databasemigration.spec", "--recursive")
    words = {line.split("\t")[0].strip() for line in shown.splitlines()}
    assert {place.rpartition(".")[2].removesuffix("[]") for place, _ in _fields("spec.")} <= words


@pytest.mark.parametrize(
    "place", ["spec.migration.timeout", "spec.backup.s3.checksums", "spec.migration.env.valueFrom"]
)
def test_explain_tells_what_a_field_is(cluster: Cluster, applied_crd: Json, place: str) -> None:
    shown = " ".join(cluster.kubectl("explain", f"databasemigration.{place}").split())
    (node,) = [node for at, node in everything() if at.replace("[]", "") == place]
    assert " ".join(node["description"].split()) in shown


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda path: path.stem)
def test_the_samples_are_taken(cluster: Cluster, space: str, sample: Path) -> None:
    cluster.kubectl("apply", "-n", space, "--dry-run=server", "--validate=strict", "-f", str(sample))


def test_there_are_samples() -> None:
    assert SAMPLES


TYPE = "in body must be of type"
YAML_WORDS = (
    # Leading zeros make an octal number, an e makes a float: both would be another revision.
    ("migration", "target: 0005", f'spec.migration.target {TYPE} string: "integer"'),
    ("migration", "target: 1e10", f'spec.migration.target {TYPE} string: "'),
    ("migration", "target: 12345678", f'spec.migration.target {TYPE} string: "integer"'),
    ("migration", "target: true", f'spec.migration.target {TYPE} string: "boolean"'),
    ("migration", "timeout: 90", f'spec.migration.timeout {TYPE} string: "integer"'),
    ("migration", "Target: heads", 'unknown field "spec.migration.Target"'),
    ("migration", "lockRetries: '3'", f'spec.migration.lockRetries {TYPE} integer: "string"'),
    ("migration", "env: {A: b}", 'unknown field "spec.migration.env.A"'),
    ("migration", "env: [{name: DEBUG, value: yes}]", f'spec.migration.env[0].value {TYPE} string: "bool'),
    ("migration", "connectionEnv: DATABASE_URL", f'spec.migration.connectionEnv {TYPE} object: "string"'),
    ("backup", "s3: backups", f'spec.backup.s3 {TYPE} object: "string"'),
)  # fmt: skip


@pytest.mark.parametrize(("part", "line", "words"), YAML_WORDS, ids=[line for _, line, _ in YAML_WORDS])
def test_yaml_as_people_write_it(cluster: Cluster, space: str, part: str, line: str, words: str) -> None:
    written = yaml.safe_dump(patched({f"{part}.{line.partition(':')[0]}": None})).splitlines()
    at = written.index(f"  {part}:") + 1
    written = [text for text in written if not text.endswith(": null")]
    text = "\n".join([*written[:at], f"    {line}", *written[at:]])
    done = cluster.try_kubectl("apply", "-n", space, "--dry-run=server", "--validate=strict", "-f", "-", stdin=text)
    assert done.returncode != 0
    assert words in done.stderr


def test_a_date_as_retry_token_needs_no_quotes(cluster: Cluster, space: str) -> None:
    text = yaml.safe_dump(patched({"retryToken": "here"})).replace("here", "2026-11-22")
    shown = cluster.kubectl("apply", "-n", space, "--dry-run=server", "-o", "json", "-f", "-", stdin=text)
    assert json.loads(shown)["spec"]["retryToken"] == "2026-11-22"


def _fields(prefix: str) -> list[tuple[str, Json]]:
    """Every named field below a place; items of lists and values of maps have no name."""
    return [
        (place, node) for place, node in everything() if place.startswith(prefix) and not place.endswith(("[]", "}"))
    ]
