"""Orders refer to their customer: data move from a text to a key, customers that are missing are created."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_customers"
down_revision = "0007_cents"


def upgrade() -> None:
    op.add_column("orders", sa.Column("customer_id", sa.BigInteger))
    op.execute(
        "INSERT INTO customers (email, full_name) "
        "SELECT DISTINCT customer_email, split_part(customer_email, '@', 1) FROM orders "
        "ON CONFLICT (email) DO NOTHING"
    )
    op.execute(
        "UPDATE orders SET customer_id = customers.id FROM customers WHERE customers.email = orders.customer_email"
    )
    op.alter_column("orders", "customer_id", nullable=False)
    op.drop_column("orders", "customer_email")


def downgrade() -> None:
    op.add_column("orders", sa.Column("customer_email", sa.Text))
    op.execute(
        "UPDATE orders SET customer_email = customers.email FROM customers WHERE customers.id = orders.customer_id"
    )
    op.alter_column("orders", "customer_email", nullable=False)
    op.drop_column("orders", "customer_id")
