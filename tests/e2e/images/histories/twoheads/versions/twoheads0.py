"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "twoheads0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE left_side (id bigint PRIMARY KEY)")


def downgrade():
    op.execute("DROP TABLE left_side")
