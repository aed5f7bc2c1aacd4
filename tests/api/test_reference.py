"""docs/reference.md tells everything that the definition and the programs can say, and nothing else."""

from __future__ import annotations

import re
import sys

from tests.api.reasons import literals, reasons
from tests.api.schema import CRD_FILE, everything
from tests.cluster.cluster import ROOT

from dbmigrations.api import conditions, names
from dbmigrations.machine.decision import PHASES

sys.path.insert(0, str(ROOT / "deploy"))

from reference import BEGIN, END, reference

DOCUMENT = (ROOT / "docs" / "reference.md").read_text()
GENERATED = DOCUMENT.partition(BEGIN)[2].partition(END)[0]
WRITTEN = DOCUMENT.replace(GENERATED, "")
WORDS = set(re.findall(r"`([A-Z][A-Za-z0-9]+)`", WRITTEN))


def test_the_fields_are_those_of_the_definition() -> None:
    assert reference(DOCUMENT, CRD_FILE.read_text()) == DOCUMENT, "run: make generate"
    for place, _ in everything():
        if place.startswith("spec.") and not place.endswith(("[]", "}")):
            assert f"`{place.removeprefix('spec.')}`" in GENERATED or f"### {place}" in GENERATED, place


def test_every_reason_is_told() -> None:
    assert reasons() - WORDS == set()


def test_no_reason_is_told_that_nobody_gives() -> None:
    known = literals() | {phase for phase, _ in PHASES.values()} | {"Deployment", "StatefulSet", "Scale"}
    assert WORDS - known == set()


def test_every_condition_and_phase_is_told() -> None:
    assert {*conditions.SUMMARY, *conditions.FACTS} <= WORDS
    assert {phase for phase, _ in PHASES.values()} <= WORDS


def test_labels_and_annotations_are_told() -> None:
    for name in (names.ORIGINAL, names.STOPPED_BECAUSE, names.FINALIZER, names.SPEC_HASH, names.LABEL_UID):
        assert f"`{name}`" in WRITTEN
