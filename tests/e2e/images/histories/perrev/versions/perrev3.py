"""Is reached only when the second works."""

from __future__ import annotations

from alembic import op

revision = "perrev3"
down_revision = "perrev2"


def upgrade():
    op.execute("CREATE VIEW rich AS SELECT * FROM accounts WHERE balance > 1000")


def downgrade():
    op.execute("DROP VIEW rich")
