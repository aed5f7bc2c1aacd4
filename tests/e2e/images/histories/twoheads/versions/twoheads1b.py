"""The other head: `head` is ambiguous, `heads` is both."""

from __future__ import annotations

from alembic import op

revision = "twoheads1b"
down_revision = "twoheads0"


def upgrade():
    op.execute("ALTER TABLE left_side ADD COLUMN b integer")


def downgrade():
    op.execute("ALTER TABLE left_side DROP COLUMN b")
