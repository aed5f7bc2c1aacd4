"""Durations, times, the specification, the status and conditions: what goes over the wire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from tests.unit.making import raw_spec, spec

from dbmigrations.api.clock import from_text, seconds_between, to_micro, to_text
from dbmigrations.api.conditions import FALSE, TRUE, UNKNOWN, Condition, Conditions, parse_conditions
from dbmigrations.api.durations import format_seconds, parse_duration
from dbmigrations.api.spec import spec_hash
from dbmigrations.api.status import Status, parse_status


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("90s", 90), ("30m", 1800), ("1h30m", 5400), ("2h5s", 7205), ("1m1m", 120)]
)
def test_durations_are_sums_of_hours_minutes_and_seconds(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "90", "1d", "-1s", "1.5h", "1h 30m", "s", "1h30", "٣s"])
def test_other_texts_are_refused_with_an_example_of_what_is_meant(text: str) -> None:
    with pytest.raises(ValueError, match="write it as"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (14.4, "14s"), (59.6, "1m00s"), (185, "3m05s"), (7810, "2h10m")],
)
def test_seconds_are_written_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


def test_times_are_written_in_utc_whatever_zone_they_were_taken_in() -> None:
    summer = timezone(timedelta(hours=2))
    moment = datetime(2026, 10, 25, 2, 30, 0, 123456, tzinfo=summer)
    assert to_text(moment) == "2026-10-25T00:30:00Z"
    assert to_micro(moment) == "2026-10-25T00:30:00.123456Z"
    assert from_text(to_micro(moment)) == moment
    assert from_text("2026-10-25T00:30:00Z") == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_clock_that_jumps_back_makes_no_negative_duration() -> None:
    assert seconds_between("2026-10-25T00:30:00Z", datetime(2026, 10, 25, 0, 29, tzinfo=UTC)) == 0


def test_the_minimal_manifest_is_enough_and_the_crd_fills_in_the_rest() -> None:
    found = spec()
    assert (found.source.kind, found.source.name, found.container) == ("Deployment", "shop-api", "")
    assert found.migration["command"] == ["alembic", "upgrade", "$(DBM_TARGET)"]
    assert (found.timeout, found.lock_timeout, found.lock_retries) == (1800, 5, 3)
    assert found.set_image
    assert found.backup
    assert not found.online
    assert found.probe is not None
    assert (found.probe.status, found.probe_successes, found.probe_interval) == (200, 3, 1)


def test_a_manifest_without_probe_or_backup_is_read_too() -> None:
    found = spec({"probe": None, "backup": {"mode": "Skip", "s3": None}, "strategy": "Online"})
    assert found.probe is None
    assert not found.backup
    assert found.s3 is None
    assert found.online


@pytest.mark.parametrize(
    ("target", "named"),
    [
        ("heads", False),
        ("head", False),
        ("billing@head", False),
        ("0005", True),
        ("ae1027a6acf", True),
        ("heads1", True),
    ],
)
def test_only_a_revision_can_be_found_in_the_database_itself(target: str, named: bool) -> None:
    assert spec({"migration": {"target": target}}).named_target is named


def test_the_hash_is_that_of_the_meaning_without_control_fields() -> None:
    raw = raw_spec()
    assert spec_hash(raw) == spec_hash(dict(reversed(raw.items())))
    assert spec_hash(raw) == spec_hash({**raw, "retryToken": "again"})
    assert spec_hash(raw) != spec_hash({**raw, "strategy": "Online"})
    assert len(spec_hash(raw)) == 16


def test_a_specification_without_the_crds_defaults_is_a_bug() -> None:
    with pytest.raises(KeyError):
        parse_without_defaults()


def parse_without_defaults() -> None:
    from tests.unit.making import MINIMAL

    from dbmigrations.api.spec import parse_spec

    parse_spec(MINIMAL)


def test_a_missing_condition_is_unknown() -> None:
    assert Conditions().get("Ready").status == UNKNOWN
    assert not Conditions().is_true("Ready")


def test_a_transition_time_moves_only_with_the_status() -> None:
    first = Conditions().set([Condition("Ready", FALSE, "Inspecting", "…")], "t1", 1)
    second = first.set([Condition("Ready", FALSE, "Migrating", "!")], "t2", 2)
    third = second.set([Condition("Ready", TRUE, "Migrated", "")], "t3", 2)
    assert [c.get("Ready").since for c in (first, second, third)] == ["t1", "t1", "t3"]
    assert (second.get("Ready").reason, second.get("Ready").generation) == ("Migrating", 2)


def test_conditions_stand_in_one_order_whatever_the_order_of_writing() -> None:
    kinds = ["Probed", "Stalled", "Migrated", "Ready", "Custom", "Inspected", "Reconciling"]
    found = Conditions().set([Condition(kind, TRUE, "R", "m") for kind in kinds], "t", 1)
    order = ["Ready", "Reconciling", "Stalled", "Inspected", "Migrated", "Probed", "Custom"]
    assert [item.type for item in found.items] == order
    assert parse_conditions(found.to_list()) == found


def test_a_status_that_nobody_wrote_yet_is_empty() -> None:
    assert parse_status({}).empty
    assert parse_status({"observedGeneration": -1}).empty
    assert parse_status({"observedGeneration": -1}) == Status()
