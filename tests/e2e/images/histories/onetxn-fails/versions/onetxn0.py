"""Where the tests begin."""

from __future__ import annotations

from alembic import op

revision = "onetxn0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, owner text)")
    op.execute("INSERT INTO accounts (id, owner) SELECT n, 'owner ' || n FROM generate_series(1, 1000) AS n")


def downgrade():
    op.execute("DROP TABLE accounts")
