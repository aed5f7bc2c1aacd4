"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "lock0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE t (id bigint PRIMARY KEY)")
    op.execute("INSERT INTO t (id) SELECT generate_series(1, 100)")


def downgrade():
    op.execute("DROP TABLE t")
