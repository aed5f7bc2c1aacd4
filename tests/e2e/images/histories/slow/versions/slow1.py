"""Takes SLOW_SECONDS (20) in the server: time to kill something."""

from __future__ import annotations

import os

from alembic import op

revision = "slow1"
down_revision = "slow0"


def upgrade():
    op.execute("ALTER TABLE jobs ADD COLUMN note text")
    op.execute(f"SELECT pg_sleep({float(os.environ.get('SLOW_SECONDS', '20'))})")


def downgrade():
    op.execute("ALTER TABLE jobs DROP COLUMN note")
