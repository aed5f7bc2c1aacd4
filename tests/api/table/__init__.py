"""What the API server refuses: a change of the valid manifest, the field that the refusal names, and its words.

Refusals by type are not here: `test_crd_types.py` tries every field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.api.table.backup import backup
from tests.api.table.durations import durations
from tests.api.table.migration import migration
from tests.api.table.names import names
from tests.api.table.rest import others, probe

if TYPE_CHECKING:
    from tests.api.table.rows import Row

REFUSALS: tuple[Row, ...] = (*names(), *durations(), *migration(), *others(), *backup(), *probe())
