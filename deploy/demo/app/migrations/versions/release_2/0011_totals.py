"""A view of what each customer ordered. The last revision that release 2 knows."""

from __future__ import annotations

from alembic import op

revision = "0011_totals"
down_revision = "0010_customer_index"


def upgrade() -> None:
    op.execute(
        "CREATE VIEW customer_totals AS "
        "SELECT c.id AS customer_id, c.email, c.full_name, count(o.id) AS orders, "
        "       coalesce(sum(o.total_cents), 0)::bigint AS total_cents "
        "FROM customers AS c LEFT JOIN orders AS o ON o.customer_id = c.id "
        "GROUP BY c.id"
    )


def downgrade() -> None:
    op.execute("DROP VIEW customer_totals")
