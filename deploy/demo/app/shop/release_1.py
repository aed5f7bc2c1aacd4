"""Release 1: an order carries its customer's address as text, its sum as a decimal, its status as any text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Numeric, Table, Text, func, insert, select
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
    Column("customer_email", Text, nullable=False),
    Column("sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("total", Numeric(12, 2), nullable=False),
    Column("currency", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("placed_at", DateTime, nullable=False),
)

stock_movements = Table(
    "stock_movements",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("change", Integer, nullable=False),
)


def orders(connection: Connection, limit: int) -> list[dict[str, Any]]:
    query = select(orders_table).order_by(orders_table.c.placed_at.desc(), orders_table.c.id.desc()).limit(limit)
    return [_plain(row) for row in connection.execute(query).mappings()]


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
            customer_email=order.email,
            sku=order.sku,
            quantity=order.quantity,
            total=product.price * order.quantity,
            currency=product.currency,
        )
        .returning(orders_table)
    )
    return _plain(stored.mappings().one())


def customer(connection: Connection, email: str) -> dict[str, Any] | None:
    person = connection.execute(select(customers).where(customers.c.email == email)).one_or_none()
    if person is None:
        return None
    sums = select(func.count(), func.coalesce(func.sum(orders_table.c.total), 0)).where(
        orders_table.c.customer_email == email
    )
    count, total = connection.execute(sums).one()
    return {"email": person.email, "name": person.full_name, "orders": count, "total": f"{total:.2f}"}


def _plain(row: RowMapping) -> dict[str, Any]:
    return {
        "id": row["id"],
        "email": row["customer_email"],
        "sku": row["sku"],
        "quantity": row["quantity"],
        "total": f"{row['total']:.2f}",
        "currency": row["currency"],
        "status": row["status"],
        "placedAt": row["placed_at"].isoformat(),
    }
