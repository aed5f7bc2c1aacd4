"""The section of DBM_CONFIG that load and report need."""

from __future__ import annotations

import json

import pytest

from dbmigrations.runner import config
from dbmigrations.runner.config import ConnectionNames, Rehearsal
from dbmigrations.runner.errors import ConfigError

LEAST = {"program": "report", "namespace": "shop", "name": "to-1-5", "uid": "u", "run": "1-ab"}
SECTION = {"database": "shop", "role": "shop_app"}


def test_a_report_needs_no_connection():
    parsed = config.parse(json.dumps({**LEAST, "rehearsal": SECTION}))
    assert parsed.connection == ConnectionNames()
    assert parsed.rehearsal == Rehearsal("/dbm-scratch", 5432, "shop", "shop_app")


def test_all_of_it_is_read():
    full = {
        **SECTION,
        "folder": "/x/",
        "port": 6432,
        "hostaddr": "10.1.2.3",
        "names": ["db"],
        "dataOf": ["public.country"],
        "timeoutSeconds": 9,
    }
    parsed = config.parse(json.dumps({**LEAST, "rehearsal": full}))
    assert parsed.rehearsal == Rehearsal(
        "/x", 6432, "shop", "shop_app", "10.1.2.3", ("db",), ("public.country",), timeout_seconds=9
    )


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({}, "rehearsal"),
        ({"rehearsal": {}}, "rehearsal.database"),
        ({"rehearsal": {"database": "shop"}}, "rehearsal.role"),
        ({"rehearsal": {**SECTION, "port": "5432"}}, "rehearsal.port"),
        ({"rehearsal": SECTION, "program": "load"}, "connection"),
    ],
)
def test_errors_name_the_field(change, field):
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps({**LEAST, **change}))
    assert caught.value.message.startswith(field + " ")


def test_other_programs_need_no_rehearsal():
    parsed = config.parse(json.dumps({**LEAST, "program": "gate", "connection": {"url": "URL"}}))
    assert parsed.rehearsal is None
