"""Orders, with the customer's address as text."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_orders"
down_revision = "0001_catalogue"


def upgrade() -> None:
    op.create_table(
        "orders",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("customer_email", sa.Text, nullable=False),
        sa.Column("sku", sa.Text, nullable=False),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("total", sa.Numeric(12, 2), nullable=False),
        sa.Column("placed_at", sa.DateTime, nullable=False, server_default=sa.func.now()),
        sa.Column("delivery_note", sa.Text, nullable=False, server_default=""),
    )
    op.create_index("orders_placed_at", "orders", ["placed_at"])


def downgrade() -> None:
    op.drop_table("orders")
