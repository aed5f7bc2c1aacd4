"""The words of refusals, without what is repeated in every one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cluster.cluster import Answer

# Said beside other refusals; it tells nothing.
NOT_CHECKED = "some validation rules were not checked because the object was invalid"
REPEATED = re.compile(r'^Invalid value: ("[^"]*"|-?[\d.]+): (\S+ in body )?')


def problems(answer: Answer) -> list[tuple[str, str]]:
    """Field and words of each refusal."""
    found = [(field, REPEATED.sub("", words)) for field, words in answer.problems]
    return [(field, words) for field, words in found if NOT_CHECKED not in words]
