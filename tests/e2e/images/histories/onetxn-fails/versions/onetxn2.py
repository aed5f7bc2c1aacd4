"""Fails in the middle: the rows are changed, then the constraint does not hold."""

from __future__ import annotations

from alembic import op

revision = "onetxn2"
down_revision = "onetxn1"


def upgrade():
    op.execute("UPDATE accounts SET owner = NULL WHERE id = 7")
    op.execute("ALTER TABLE accounts ALTER COLUMN owner SET NOT NULL")


def downgrade():
    op.execute("ALTER TABLE accounts ALTER COLUMN owner DROP NOT NULL")
