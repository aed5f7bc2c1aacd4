"""Fill the database of release 1 with made-up orders: `python -m shop.seed --rows 200000`.

The rows are made by the server, so a few hundred thousand take seconds. Run again, it adds what is missing.
"""

from __future__ import annotations

import argparse
import sys
import time

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from shop import schema
from shop.database import connect

SCHEMA = frozenset({"0005_stock"})
BATCH = 50_000  # rows in one transaction
PRODUCTS = 200

PRODUCT_ROWS = text("""
    INSERT INTO products (sku, title, price, currency)
    SELECT 'SKU-' || lpad(n::text, 4, '0'), 'Product ' || n, round((5 + n * 1.37)::numeric, 2), 'EUR'
    FROM generate_series(1, :products) AS n
    ON CONFLICT (sku) DO NOTHING
""")

CUSTOMER_ROWS = text("""
    INSERT INTO customers (email, full_name)
    SELECT 'customer' || n || '@example.org', 'Customer ' || n
    FROM generate_series(1, :customers) AS n
    ON CONFLICT (email) DO NOTHING
""")

# The delivery note is text that does not compress away: it gives the backup some real work.
ORDER_ROWS = text("""
    INSERT INTO orders (customer_email, sku, quantity, total, currency, status, placed_at, delivery_note)
    SELECT 'customer' || (1 + n % :customers) || '@example.org', p.sku, 1 + n % 5, p.price * (1 + n % 5), 'EUR',
           (ARRAY['new', 'paid', 'shipped', 'cancelled'])[1 + n % 4],
           timestamp '2026-01-01' + n * interval '1 minute',
           md5('a' || n) || md5('b' || n) || md5('c' || n) || md5('d' || n)
             || md5('e' || n) || md5('f' || n) || md5('g' || n) || md5('h' || n)
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS n
    JOIN products AS p ON p.sku = 'SKU-' || lpad((1 + n % :products)::text, 4, '0')
""")

STOCK_ROWS = text("""
    INSERT INTO stock_movements (sku, change)
    SELECT sku, -quantity FROM orders WHERE id > :after
""")


class NotSeedable(SystemExit):
    """The database cannot be filled; the message says why."""


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m shop.seed", description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=_positive, default=200_000, help="orders in the database afterwards (200000)")
    rows = parser.parse_args(arguments).rows
    engine = connect()
    try:
        seed(engine, rows)
    except OperationalError as error:
        raise NotSeedable(f"The database does not answer: {error.orig}") from error
    finally:
        engine.dispose()


def seed(engine: Engine, rows: int) -> None:
    """Make sure that there are at least so many orders; raise NotSeedable on another release's schema."""
    began = time.monotonic()
    with engine.connect() as connection:
        there = _check(connection)
    customers = max(rows // 10, 1)
    with engine.begin() as connection:
        connection.execute(PRODUCT_ROWS, {"products": PRODUCTS})
        connection.execute(CUSTOMER_ROWS, {"customers": customers})
    while there < rows:
        last = min(there + BATCH, rows)
        with engine.begin() as connection:
            newest = connection.scalar(text("SELECT coalesce(max(id), 0) FROM orders"))
            connection.execute(
                ORDER_ROWS, {"customers": customers, "products": PRODUCTS, "first": there + 1, "last": last}
            )
            connection.execute(STOCK_ROWS, {"after": newest})
        there = last
        print(f"  {there:>9,} orders  {time.monotonic() - began:5.1f} s", flush=True)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM (ANALYZE) customers, products, orders, stock_movements"))
        size = connection.scalar(text("SELECT pg_size_pretty(pg_database_size(current_database()))"))
    print(f"seeded: {there:,} orders of {customers:,} customers, {size}, {time.monotonic() - began:.1f} s", flush=True)


def _check(connection: Connection) -> int:
    """Return the number of orders that are there already."""
    found = schema.found(connection)
    if found != SCHEMA:
        raise NotSeedable(
            f"The database is at {', '.join(sorted(found)) or 'no version'}, and the rows are made for 0005_stock: "
            "run `alembic upgrade 0005_stock` on an empty database first."
        )
    return int(connection.scalar(text("SELECT count(*) FROM orders")) or 0)


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    main(sys.argv[1:])
