"""Fills a column in committed batches and fails: neither version rows nor schema show it."""

from __future__ import annotations

from alembic import op

revision = "batches1"
down_revision = "batches0"


def upgrade():
    with op.get_context().autocommit_block():
        for first in (1, 1001):
            op.execute(f"UPDATE readings SET kelvin = celsius + 273 WHERE id BETWEEN {first} AND {first + 999}")
    raise RuntimeError("batches1 fails on purpose, after two of its three batches were committed")


def downgrade():
    op.execute("UPDATE readings SET kelvin = NULL")
