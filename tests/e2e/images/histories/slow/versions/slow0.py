"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "slow0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE jobs (id bigint PRIMARY KEY)")


def downgrade():
    op.execute("DROP TABLE jobs")
