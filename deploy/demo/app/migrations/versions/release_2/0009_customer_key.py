"""The reference becomes a foreign key: added without a check first, then validated."""

from __future__ import annotations

from alembic import op

revision = "0009_customer_key"
down_revision = "0008_customers"


def upgrade() -> None:
    op.create_foreign_key(
        "orders_customer_id", "orders", "customers", ["customer_id"], ["id"], postgresql_not_valid=True
    )
    op.execute("ALTER TABLE orders VALIDATE CONSTRAINT orders_customer_id")


def downgrade() -> None:
    op.drop_constraint("orders_customer_id", "orders")
