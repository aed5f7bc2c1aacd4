"""An index."""

from __future__ import annotations

from alembic import op

revision = "linear3"
down_revision = "linear2"


def upgrade():
    op.execute("CREATE INDEX items_name ON items (name)")


def downgrade():
    op.execute("DROP INDEX items_name")
