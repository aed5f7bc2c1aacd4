"""DBM_CONFIG: what is missing or wrong is named."""

from __future__ import annotations

import json

import pytest

from dbmigrations.runner import config
from dbmigrations.runner.config import Expectation, ExpectedManifest, SessionRules
from dbmigrations.runner.errors import ConfigError

LEAST = {
    "program": "inspect",
    "namespace": "shop",
    "name": "to-1-5",
    "uid": "u",
    "run": "1-ab",
    "connection": {"url": "DATABASE_URL"},
}


def test_the_least_configuration_has_defaults_for_the_rest():
    parsed = config.parse(json.dumps(LEAST))
    assert parsed.version_table == "alembic_version"
    assert parsed.store is None
    assert parsed.expect == Expectation()
    assert parsed.sessions == SessionRules((), 120.0)
    assert parsed.lock_timeout_seconds == 5


def test_all_of_it_is_read():
    full = {
        **LEAST,
        "store": {"bucket": "b", "prefix": "/x/y/", "checksums": "WhenRequired", "kmsKeyID": "k"},
        "backup": {"verify": "ReadBack", "compression": "gzip:6"},
        "expect": {
            "revisions": ["b", "a"],
            "schemaHash": "h",
            "database": {"id": "d"},
            "manifest": {"key": "k", "sha256": "s"},
        },
        "sessions": {"ignore": ["pgbouncer"], "timeoutSeconds": 3},
        "online": True,
    }
    parsed = config.parse(json.dumps(full))
    assert parsed.store is not None
    assert (parsed.store.prefix, parsed.store.checksums, parsed.store.kms_key_id) == ("x/y", "WhenRequired", "k")
    assert parsed.expect == Expectation(frozenset("ab"), "h", "d", ExpectedManifest("k", "s"))
    assert parsed.backup.verify == "ReadBack"
    assert parsed.online


def test_an_empty_set_of_revisions_is_an_expectation():
    assert config.parse(json.dumps({**LEAST, "expect": {"revisions": []}})).expect.revisions == frozenset()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"program": "dance"}, "program"),
        ({"uid": ""}, "uid"),
        ({"connection": None}, "connection"),
        ({"connection": {"url": "A", "host": "B"}}, "connection"),
        ({"attempt": "1"}, "attempt"),
        ({"deadlineSeconds": -1}, "deadlineSeconds"),
        ({"online": "yes"}, "online"),
        ({"sessions": {"ignore": "x"}}, "sessions.ignore"),
        ({"store": {"bucket": ""}}, "store.bucket"),
        ({"store": {"bucket": "b", "checksums": "Never"}}, "store.checksums"),
        ({"backup": {"verify": "Maybe"}}, "backup.verify"),
        ({"expect": {"manifest": {"key": "k"}}}, "expect.manifest.sha256"),
        ({"expect": []}, "expect"),
    ],
)
def test_errors_name_the_field(change, field):
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps({**LEAST, **change}))
    assert caught.value.reason == "InvalidConfig"
    assert caught.value.message.startswith(field + " ")


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ConfigError):
        config.parse(text)
