"""A column with a value for the rows that are there."""

from __future__ import annotations

from alembic import op

revision = "linear1"
down_revision = "linear0"


def upgrade():
    op.execute("ALTER TABLE items ADD COLUMN amount integer")
    op.execute("UPDATE items SET amount = id % 10")
    op.execute("ALTER TABLE items ALTER COLUMN amount SET NOT NULL")


def downgrade():
    op.execute("ALTER TABLE items DROP COLUMN amount")
