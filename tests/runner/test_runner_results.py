"""Results fit into a termination message, say when they are not whole, and hold no secrets."""

from __future__ import annotations

import json

import pytest

from dbmigrations.runner import result
from dbmigrations.runner.errors import RunnerError
from dbmigrations.runner.redact import Redactor


def test_a_small_result_is_whole():
    assert json.loads(result.success({"a": [1, 2]})) == {"v": 1, "ok": True, "facts": {"a": [1, 2]}}


def test_long_lists_are_cut_and_say_so():
    names = [f"schema.table_{number}" for number in range(500)]
    encoded = result.success({"revisions": ["a1"], "fingerprint": {"invalidIndexes": names}})
    facts = json.loads(encoded)["facts"]
    assert len(encoded) <= result.LIMIT_BYTES
    kept = facts["fingerprint"]["invalidIndexes"]
    assert facts["fingerprint"]["invalidIndexesMore"] == 500 - len(kept)
    assert facts["revisions"] == ["a1"]


def test_revisions_are_cut_last():
    revisions = [f"{number:012x}" for number in range(40)]
    facts = json.loads(result.success({"revisions": revisions, "warnings": ["w" * 60] * 100}))["facts"]
    assert facts["revisions"] == revisions


@pytest.mark.parametrize("character", ["x", "ü", "数", "\U0001f600", '"', "\n"])
def test_failures_fit_in_every_alphabet(character):
    error = RunnerError("Reason", character * 5000, character * 5000, facts={"relations": [character * 100] * 50})
    encoded = result.failure(error, Redactor())
    decoded = json.loads(encoded)
    assert len(encoded) <= result.LIMIT_BYTES
    assert decoded["reason"] == "Reason"
    assert len(decoded["message"]) <= result.MESSAGE_CHARACTERS
    assert len(decoded["hint"]) <= result.HINT_CHARACTERS


def test_texts_without_lists_are_given_up_for_the_reason():
    error = RunnerError("Reason", "m" * 400, "h" * 300, facts={"text": "t" * 5000})
    decoded = json.loads(result.failure(error, Redactor()))
    assert (decoded["reason"], decoded["facts"]) == ("Reason", {"factsMore": 1})


def test_names_in_no_encoding_are_printable():
    assert json.loads(result.success({"name": "caf\udce9"}))["facts"]["name"] == "caf\\xe9"


SECRET = "p@s%s w'or\"d\\"


@pytest.mark.parametrize(
    "text",
    [
        f'connection to "{SECRET}" failed',
        "postgresql://shop:p%40s%25s%20w%27or%22d%5C@db/shop",
        "postgresql://shop:p@s%s@db/shop",
        "host=db password='p@s%s w\\'or\"d\\\\' user=x",
        "PASSWORD = something-else",
    ],
)
def test_secrets_are_masked_in_every_form(text):
    masked = Redactor([SECRET]).text(text)
    assert "***" in masked
    for part in ("p@s", "p%40s", "something-else"):
        assert part not in masked


def test_failures_are_redacted_and_facts_are_kept_as_measured():
    error = RunnerError("R", "database shopshop at s3", facts={"uri": "s3://shopshop/dump"})
    decoded = json.loads(result.failure(error, Redactor(["shopshop"])))
    assert decoded["message"] == "database *** at s3"
    assert decoded["facts"]["uri"] == "s3://shopshop/dump"


def test_words_about_passwords_stay():
    text = 'password authentication failed for user "shop"'
    assert Redactor(["pw"]).text(text) == text
