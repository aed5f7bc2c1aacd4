"""Needs an ACCESS EXCLUSIVE lock on the table t: whoever reads t in a transaction holds it up."""

from __future__ import annotations

from alembic import op

revision = "lock1"
down_revision = "lock0"


def upgrade():
    op.execute("ALTER TABLE t ADD COLUMN note text")


def downgrade():
    op.execute("ALTER TABLE t DROP COLUMN note")
