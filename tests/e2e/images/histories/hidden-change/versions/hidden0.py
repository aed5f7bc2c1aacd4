"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "hidden0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE people (id bigint PRIMARY KEY, name text NOT NULL)")
    op.execute("INSERT INTO people (id, name) SELECT n, 'person ' || n FROM generate_series(1, 100) AS n")


def downgrade():
    op.execute("DROP TABLE people")
