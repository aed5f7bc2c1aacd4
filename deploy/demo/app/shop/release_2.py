"""Release 2: an order refers to its customer, counts in cents, and its status is one of a fixed list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, ForeignKey, Integer, MetaData, Numeric, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import ENUM
from sqlalchemy.dialects.postgresql import insert as upsert

if TYPE_CHECKING:
    from sqlalchemy import Connection, RowMapping

    from shop.web import Order

metadata = MetaData()

customers = Table(
    "customers",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("email", Text, nullable=False, unique=True),
    Column("full_name", Text, nullable=False),
)

products = Table(
    "products",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sku", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("price", Numeric(10, 2), nullable=False),
    Column("currency", Text, nullable=False),
)

orders_table = Table(
    "orders",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("customer_id", BigInteger, ForeignKey("customers.id"), nullable=False),
    Column("sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("total_cents", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", ENUM("new", "paid", "shipped", "cancelled", name="order_status", create_type=False)),
    Column("placed_at", DateTime, nullable=False),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("change", Integer, nullable=False),
)

customer_totals = Table(  # a view
    "customer_totals",
    metadata,
    Column("customer_id", BigInteger),
    Column("email", Text),
    Column("full_name", Text),
    Column("orders", BigInteger),
    Column("total_cents", BigInteger),
)


def orders(connection: Connection, limit: int) -> list[dict[str, Any]]:
    query = (
        select(orders_table, customers.c.email)
        .join(customers)
        .order_by(orders_table.c.placed_at.desc(), orders_table.c.id.desc())
        .limit(limit)
    )
    return [_plain(row, row["email"]) for row in connection.execute(query).mappings()]


def place(connection: Connection, order: Order) -> dict[str, Any] | None:
    product = connection.execute(select(products).where(products.c.sku == order.sku)).one_or_none()
    if product is None:
        return None
    connection.execute(
        upsert(customers).values(email=order.email, full_name=order.email.split("@")[0]).on_conflict_do_nothing()
    )
    connection.execute(insert(stock_movements).values(sku=order.sku, change=-order.quantity))
    stored = connection.execute(
        insert(orders_table)
        .values(
            customer_id=select(customers.c.id).where(customers.c.email == order.email).scalar_subquery(),
            sku=order.sku,
            quantity=order.quantity,
            total_cents=int(product.price * 100) * order.quantity,
            currency=product.currency,
        )
        .returning(orders_table)
    )
    return _plain(stored.mappings().one(), order.email)


def customer(connection: Connection, email: str) -> dict[str, Any] | None:
    row = connection.execute(select(customer_totals).where(customer_totals.c.email == email)).one_or_none()
    if row is None:
        return None
    return {"email": row.email, "name": row.full_name, "orders": row.orders, "totalCents": row.total_cents}


def _plain(row: RowMapping, email: str) -> dict[str, Any]:
    return {
        "id": row["id"],
        "email": email,
        "sku": row["sku"],
        "quantity": row["quantity"],
        "totalCents": row["total_cents"],
        "currency": row["currency"],
        "status": row["status"],
        "placedAt": row["placed_at"].isoformat(),
    }
