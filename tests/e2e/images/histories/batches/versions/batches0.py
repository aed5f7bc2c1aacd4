"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "batches0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE readings (id bigint PRIMARY KEY, celsius integer NOT NULL, kelvin integer)")
    op.execute("INSERT INTO readings (id, celsius) SELECT n, n % 40 FROM generate_series(1, 3000) AS n")


def downgrade():
    op.execute("DROP TABLE readings")
