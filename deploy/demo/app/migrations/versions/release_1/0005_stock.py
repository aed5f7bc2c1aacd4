"""Stock movements. The last revision that release 1 knows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_stock"
down_revision = "0004_status"


def upgrade() -> None:
    op.create_table(
        "stock_movements",
        sa.Column("id", sa.BigInteger, sa.Identity(always=False), primary_key=True),
        sa.Column("sku", sa.Text, sa.ForeignKey("products.sku"), nullable=False),
        sa.Column("change", sa.Integer, nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.CheckConstraint("change <> 0", name="stock_movements_change"),
    )
    op.create_index("stock_movements_sku", "stock_movements", ["sku"])


def downgrade() -> None:
    op.drop_table("stock_movements")
