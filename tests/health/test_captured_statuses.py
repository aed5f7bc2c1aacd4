"""The health script over statuses of real runs, and over the fixtures that were made of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from tests.health import capture
from tests.health.argo import SCRIPT, Health, health
from tests.health.fixtures import TARGET
from tests.health.rules import deciding

END_TO_END = Path(__file__).resolve().parents[1] / "e2e"
REQUIRED = {"Healthy", "Degraded", "Progressing"}
"""What the end-to-end tests must have met at least once."""


def captures_are_due(session: pytest.Session) -> bool:
    """Tell whether the end-to-end tests ran: in this session, or in one before it that says so by a variable."""
    if os.environ.get("DBM_REQUIRE_CAPTURED"):
        return True
    return any(END_TO_END in item.path.parents for item in session.items)


def test_statuses_of_real_runs_get_the_health_of_their_deciding_condition(request: pytest.FixtureRequest) -> None:
    statuses = capture.load()
    if not statuses and not captures_are_due(request.session):
        pytest.skip("no end-to-end test ran: they capture the statuses")
    assert statuses, "the end-to-end tests ran and captured nothing: call tests.health.capture.save(name, obj) there"
    wrong = []
    for name, obj in statuses.items():
        word, condition = deciding(obj)
        found = health(obj)
        message = (condition["message"] or condition["reason"]) if condition else found.message
        if found != Health(word, message) or not found.message:
            wrong.append(f"{name}: {found}, expected {word} with the message {message!r}")
    assert not wrong, "\n".join(wrong)


def test_real_runs_showed_every_health_that_a_sync_waits_for(request: pytest.FixtureRequest) -> None:
    if not captures_are_due(request.session):
        pytest.skip("the end-to-end tests did not run")
    assert {health(obj).status for obj in capture.load().values()} >= REQUIRED


def test_the_fixtures_for_argo_cd_hold() -> None:
    tests = yaml.safe_load((TARGET / "health_test.yaml").read_text())["tests"]
    assert {item["healthStatus"]["status"] for item in tests} >= REQUIRED
    files = {item["inputPath"] for item in tests}
    assert files == {f"testdata/{path.name}" for path in (TARGET / "testdata").iterdir()}
    for item in tests:
        obj = yaml.safe_load((TARGET / item["inputPath"]).read_text())
        assert health(obj) == Health(**item["healthStatus"]), item["inputPath"]
        assert deciding(obj)[0] == item["healthStatus"]["status"], item["inputPath"]


def test_the_fixtures_use_the_one_script() -> None:
    assert (TARGET / "health.lua").resolve() == SCRIPT


def test_saving_drops_noise_and_loading_gives_the_object_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "FOLDER", tmp_path)
    obj = {
        "kind": "DatabaseMigration",
        "metadata": {"name": "shop", "managedFields": [{}], "annotations": {capture.LAST_APPLIED: "{}"}},
        "status": {"observedGeneration": 1},
    }
    capture.save("ready", obj)
    assert capture.load() == {
        "ready": {"kind": "DatabaseMigration", "metadata": {"name": "shop"}, "status": {"observedGeneration": 1}}
    }
    assert "managedFields" in obj["metadata"], "the caller's object stays as it is"
    capture.start_over()
    assert capture.load() == {}


def test_saving_something_else_says_what_was_expected() -> None:
    with pytest.raises(ValueError, match="DatabaseMigration was expected, not 'Pod'"):
        capture.save("oops", {"kind": "Pod", "metadata": {}})
