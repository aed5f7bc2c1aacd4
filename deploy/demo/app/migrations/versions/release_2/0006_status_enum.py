"""The status becomes an enum; its check is not needed any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_status_enum"
down_revision = "0005_stock"


order_status = sa.Enum("new", "paid", "shipped", "cancelled", name="order_status")


def upgrade() -> None:
    order_status.create(op.get_bind())
    op.drop_constraint("orders_status", "orders")
    op.alter_column("orders", "status", server_default=None)
    op.alter_column("orders", "status", type_=order_status, postgresql_using="status::order_status")
    op.alter_column("orders", "status", server_default="new")


def downgrade() -> None:
    op.alter_column("orders", "status", server_default=None)
    op.alter_column("orders", "status", type_=sa.Text, postgresql_using="status::text")
    op.alter_column("orders", "status", server_default="new")
    op.create_check_constraint("orders_status", "orders", "status IN ('new', 'paid', 'shipped', 'cancelled')")
    order_status.drop(op.get_bind())
