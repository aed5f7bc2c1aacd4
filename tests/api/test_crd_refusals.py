"""Every rule of the definition, tried on a real API server: what is refused, with which words, and what is not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.api.manifests import Patch, patched, try_to_create
from tests.api.schema import BOUNDS, NOT_RULES, everything, rule_of, rules
from tests.api.status import STATUS_REFUSALS
from tests.api.table import REFUSALS
from tests.api.words import problems

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster


def name(value: Any) -> str:
    """A short name for a case."""
    text = ", ".join(f"{path}={value!r}" for path, value in value.items()) if isinstance(value, dict) else ""
    return re.sub(r"<object object at \w+>", "(gone)", text)[:90]


@pytest.mark.cluster
@pytest.mark.parametrize(("patch", "field", "words"), REFUSALS, ids=lambda value: name(value))
def test_refused(cluster: Cluster, space: str, patch: Patch, field: str, words: str) -> None:
    answer = try_to_create(cluster, space, patched(patch))
    assert answer.status == 422, answer.body
    assert problems(answer) == [(f"spec.{field}".rstrip("."), words)]


def test_every_rule_has_a_row() -> None:
    """A rule that is added to the definition without a row here fails."""
    tried = {rule_of(f"spec.{field}".rstrip("."), words) for _, field, words in REFUSALS}
    tried |= {rule_of(field, words) for _, field, words in STATUS_REFUSALS}
    assert rules() - tried == set()


def test_no_keyword_of_the_schema_is_overlooked() -> None:
    used = {keyword for _, node in everything() for keyword in node}
    assert used <= {*BOUNDS, *NOT_RULES}, "read it in tests/api/schema.py, or say there that it refuses nothing"


def test_no_pattern_speaks_for_itself() -> None:
    """The words of a pattern are the pattern: a rule in CEL says what to write instead."""
    assert not [place for place, node in everything() if "pattern" in node]
