"""The revision that failed, put right."""

from __future__ import annotations

from alembic import op

revision = "perrev2"
down_revision = "perrev1"


def upgrade():
    op.execute("UPDATE accounts SET owner = 'nobody' WHERE owner IS NULL")
    op.execute("ALTER TABLE accounts ALTER COLUMN owner SET NOT NULL")


def downgrade():
    op.execute("ALTER TABLE accounts ALTER COLUMN owner DROP NOT NULL")
