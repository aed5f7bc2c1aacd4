"""One head."""

from __future__ import annotations

from alembic import op

revision = "twoheads1a"
down_revision = "twoheads0"


def upgrade():
    op.execute("ALTER TABLE left_side ADD COLUMN a integer")


def downgrade():
    op.execute("ALTER TABLE left_side DROP COLUMN a")
