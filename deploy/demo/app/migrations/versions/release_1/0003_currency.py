"""A currency on products and orders: filled in for the rows that are there, then required."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_currency"
down_revision = "0002_orders"


def upgrade() -> None:
    for table in ("products", "orders"):
        op.add_column(table, sa.Column("currency", sa.Text))
        op.execute(f"UPDATE {table} SET currency = 'EUR'")
        op.alter_column(table, "currency", nullable=False)


def downgrade() -> None:
    for table in ("orders", "products"):
        op.drop_column(table, "currency")
