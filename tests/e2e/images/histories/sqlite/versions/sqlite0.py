"""Where the tests begin, for those that make the database by hand."""

from __future__ import annotations

from alembic import op

revision = "sqlite0"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE notes (id integer PRIMARY KEY)")


def downgrade():
    op.execute("DROP TABLE notes")
