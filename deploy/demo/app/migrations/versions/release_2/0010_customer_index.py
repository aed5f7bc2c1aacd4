"""An index on the reference, built concurrently and therefore outside of a transaction."""

from __future__ import annotations

from alembic import op

revision = "0010_customer_index"
down_revision = "0009_customer_key"


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index("orders_customer_id_index", "orders", ["customer_id"], postgresql_concurrently=True)


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index("orders_customer_id_index", "orders", postgresql_concurrently=True)
