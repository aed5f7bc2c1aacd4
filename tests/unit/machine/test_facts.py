"""The small facts that decisions rest on: versions, fingerprints, reports."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import spec

from dbmigrations.api.run import Fingerprint
from dbmigrations.machine.results import backup_of, fingerprint_of, inspection_of, parse_result
from dbmigrations.machine.unchanged import Verdict, compare
from dbmigrations.machine.versions import at_target, for_people, in_full

BEFORE = Fingerprint(("0004",), "s4", ("a.i",), "i1", "f", "c", "r")


@pytest.mark.parametrize(
    ("target", "rows", "reached"),
    [
        ("0005", ("0005",), True),
        ("0005", ("0004", "0005"), True),
        ("0005", ("0004",), False),
        ("0005", (), False),
        ("0005", ("00051",), False),
        ("billing@0005", ("0005",), True),
        ("heads", ("0005",), False),
        ("head", ("head",), False),
        ("billing@head", ("head",), False),
    ],
)
def test_a_database_is_at_a_target_that_names_one_of_its_rows(
    target: str, rows: tuple[str, ...], reached: bool
) -> None:
    assert at_target(spec({"migration": {"target": target}}), rows) is reached


def test_versions_are_sets_for_people_too() -> None:
    assert (for_people(()), for_people(("b",)), for_people(("b", "a"))) == ("(empty)", "b", "a +1")
    assert (in_full(()), in_full(("b", "a"))) == ("no version at all", "a, b")


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        ({}, Verdict.UNCHANGED),
        ({"revisions": ("0005",)}, Verdict.CHANGED),
        ({"schema": "s5"}, Verdict.CHANGED),
        ({"invalid": "i2"}, Verdict.CHANGED),
        ({"invalid_indexes": ()}, Verdict.CHANGED),
        ({"files": "g"}, Verdict.CHANGED),
        ({"changes": "d"}, Verdict.CHANGED),
        ({"resets": "q"}, Verdict.UNKNOWN),
        ({"changes": "d", "resets": "q"}, Verdict.UNKNOWN),
        ({"schema": "s5", "resets": "q"}, Verdict.CHANGED),
        ({"schema": ""}, Verdict.UNKNOWN),
    ],
)
def test_unchanged_is_a_strong_word(after: dict[str, Any], verdict: Verdict) -> None:
    assert compare(BEFORE, replace(BEFORE, **after))[0] is verdict


def test_what_was_not_read_is_unknown() -> None:
    assert compare(None, BEFORE)[0] is Verdict.UNKNOWN
    assert compare(BEFORE, None)[0] is Verdict.UNKNOWN
    assert compare(Fingerprint(), Fingerprint())[0] is Verdict.UNKNOWN


words = st.text(max_size=3)
prints = st.builds(Fingerprint, st.lists(words, max_size=2).map(tuple), words, st.just(()), words, words, words, words)


@given(prints, prints)
def test_only_equal_fingerprints_are_unchanged(before: Fingerprint, after: Fingerprint) -> None:
    verdict, said = compare(before, after)
    assert said
    if verdict is Verdict.UNCHANGED:
        assert before == after


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "[]", "1", '"x"', "{}", '{"v": 2, "ok": true}', '{"v": 1}', '{"v": 1, "ok": true, "facts": 7}',
     '{"v": 1, "ok": true, "facts": {"a": 1}, "mess', "Traceback (most recent call last):"],
)  # fmt: skip
def test_an_unreadable_report_is_a_lost_fact(text: str) -> None:
    assert parse_result(text) is None


@given(st.text(max_size=200))
def test_no_text_is_a_report_by_chance_or_an_error(text: str) -> None:
    assert parse_result(text) is None


def test_a_report_gives_what_the_programs_wrote() -> None:
    facts = {
        "serverVersion": "17.6", "sizeBytes": 7, "database": "shop", "identity": {"id": "x"}, "warnings": ["w"],
        "backupMemoryBytes": 9, "uri": "s3://b/k", "manifestKey": "k", "versionID": "v", "sha256": "f", "verified": True,
        "verifyNote": "n", "tables": 8,
        "fingerprint": {"revisions": ["0004"], "schema": "s4", "invalidIndexes": ["a.i"], "invalid": "i1", "files": "f",
                        "changes": "c", "resets": "r"},
    }  # fmt: skip
    result = parse_result(json.dumps({"v": 1, "ok": True, "facts": facts}))
    assert result is not None
    assert fingerprint_of(result) == BEFORE
    seen, dump = inspection_of(result), backup_of(result)
    assert (seen.server_version, seen.identity, seen.warnings, seen.backup_memory_bytes) == ("17.6", "x", ("w",), 9)
    assert (dump.uri, dump.manifest_key, dump.version_id, dump.verified, dump.note) == ("s3://b/k", "k", "v", True, "n")
    assert fingerprint_of(None) is None
