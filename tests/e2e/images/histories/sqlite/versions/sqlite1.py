"""Ends with 0, in a file inside the container."""

from __future__ import annotations

from alembic import op

revision = "sqlite1"
down_revision = "sqlite0"


def upgrade():
    op.execute("ALTER TABLE notes ADD COLUMN body text")


def downgrade():
    op.execute("ALTER TABLE notes DROP COLUMN body")
