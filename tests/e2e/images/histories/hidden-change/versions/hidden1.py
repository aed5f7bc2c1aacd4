"""Renames a column, commits, and fails: the version rows still say hidden0."""

from __future__ import annotations

from alembic import op

revision = "hidden1"
down_revision = "hidden0"


def upgrade():
    with op.get_context().autocommit_block():
        op.execute("ALTER TABLE people RENAME COLUMN name TO full_name")
    raise RuntimeError("hidden1 fails on purpose, after its change was committed")


def downgrade():
    op.execute("ALTER TABLE people RENAME COLUMN full_name TO name")
