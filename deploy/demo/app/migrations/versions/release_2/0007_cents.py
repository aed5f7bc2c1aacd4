"""Sums are counted in cents: the column changes name and type, and the table is rewritten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_cents"
down_revision = "0006_status_enum"


def upgrade() -> None:
    op.alter_column("orders", "total", new_column_name="total_cents")
    op.alter_column("orders", "total_cents", type_=sa.BigInteger, postgresql_using="(total_cents * 100)::bigint")


def downgrade() -> None:
    op.alter_column("orders", "total_cents", type_=sa.Numeric(12, 2), postgresql_using="total_cents / 100.0")
    op.alter_column("orders", "total_cents", new_column_name="total")
