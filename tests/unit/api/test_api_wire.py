"""The status survives being written and read: any run, any text, and keys of a newer operator."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbmigrations.api.conditions import Condition, Conditions
from dbmigrations.api.run import Attempt, Backup, Failure, Fingerprint, Inspection, Original, Run, Step
from dbmigrations.api.status import Status, parse_status
from dbmigrations.api.wire import from_wire, to_wire

texts = st.text(max_size=20)
revisions = st.lists(texts, max_size=3).map(tuple)
fingerprints = st.builds(Fingerprint, revisions, texts, revisions, texts, texts, texts, texts)
backups = st.builds(Backup, uri=texts, version_id=texts, size_bytes=st.integers(0, 2**60), verified=st.booleans())
seconds = st.floats(0, 1e6, allow_nan=False)
runs = st.builds(
    Run,
    id=texts,
    number=st.integers(0, 10**6),
    spec_hash=texts,
    from_=texts,
    spec=st.dictionaries(texts, st.one_of(texts, st.integers(-5, 5), st.none(), st.booleans()), max_size=3),
    step=st.sampled_from(Step),
    attempts=st.dictionaries(
        st.sampled_from([s.value for s in Step]), st.builds(Attempt, st.integers(1, 9), texts, texts, revisions)
    ),
    inspection=st.none() | st.builds(Inspection, texts, st.integers(0, 9), warnings=revisions),
    planned=st.none() | fingerprints,
    before=st.none() | fingerprints,
    workloads=st.lists(
        st.builds(Original, texts, texts, st.integers(0, 9), st.dictionaries(texts, texts)), max_size=2
    ).map(tuple),
    downtime_seconds=seconds,
    seconds=st.dictionaries(texts, seconds, max_size=3),
    backup=st.none() | backups,
    failure=st.none() | st.builds(Failure, texts, texts, texts, texts),
    exit_code=st.none() | st.integers(0, 255),
    started=st.booleans(),
)


def through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(runs)
def test_a_run_reads_back_as_it_was_written(run: Run) -> None:
    assert from_wire(Run, through_json(to_wire(run))) == run


@given(
    st.builds(
        Status,
        observed_generation=st.integers(-1, 9),
        phase=texts,
        conditions=st.lists(st.builds(Condition, texts, texts, texts, texts, texts, st.integers(0, 9)), max_size=3).map(
            lambda items: Conditions(tuple(items))
        ),
        run=st.none() | runs,
        last_success=st.none() | st.dictionaries(texts, texts, min_size=1, max_size=2),
        history=st.lists(st.dictionaries(texts, texts, max_size=2), max_size=2).map(tuple),
    )
)
def test_a_status_reads_back_as_it_was_written(status: Status) -> None:
    assert parse_status(through_json(status.to_dict())) == status


def test_defaults_are_left_out_and_names_are_those_of_the_documentation() -> None:
    run = Run("1-a", 1, "a", from_="0004", started_at="t", backup=Backup("s3://b/k", version_id="v", sha256="f"))
    assert to_wire(run) == {
        "id": "1-a",
        "number": 1,
        "specHash": "a",
        "from": "0004",
        "startedAt": "t",
        "backup": {"uri": "s3://b/k", "versionID": "v", "sha256": "f"},
    }


def test_keys_of_a_newer_operator_are_ignored() -> None:
    run = from_wire(Run, {"id": "1-a", "number": 1, "specHash": "a", "later": {"x": 1}, "failure": None})
    assert run == Run("1-a", 1, "a")


def test_a_missing_key_without_default_is_an_error() -> None:
    with pytest.raises(TypeError):
        from_wire(Run, {"id": "1-a"})


@pytest.mark.parametrize("kind", [Run, Attempt, Original, Inspection, Fingerprint, Backup, Failure])
def test_no_two_fields_share_a_name_on_the_wire(kind: type) -> None:

    from dbmigrations.api.wire import _key

    names = [_key(item.name) for item in fields(kind)]
    assert len(names) == len(set(names))
