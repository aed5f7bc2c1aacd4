"""Works."""

from __future__ import annotations

from alembic import op

revision = "perrev1"
down_revision = "perrev0"


def upgrade():
    op.execute("ALTER TABLE accounts ADD COLUMN balance numeric(12, 2) NOT NULL DEFAULT 0")


def downgrade():
    op.execute("ALTER TABLE accounts DROP COLUMN balance")
