"""A status on orders, held to four words by a check."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_status"
down_revision = "0003_currency"


def upgrade() -> None:
    op.add_column("orders", sa.Column("status", sa.Text, nullable=False, server_default="new"))
    op.create_check_constraint("orders_status", "orders", "status IN ('new', 'paid', 'shipped', 'cancelled')")


def downgrade() -> None:
    op.drop_column("orders", "status")
