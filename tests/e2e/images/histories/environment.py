"""What the histories' `env.py` files share: find the database in the environment and run the revisions.

`DATABASE_URL` is used as it stands, so its driver prefix decides (psycopg, psycopg2, asyncpg). Without it the
address is put together from DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME.
"""

from __future__ import annotations

import asyncio
import logging
import os

from alembic import context
from sqlalchemy import URL, Connection, create_engine, make_url, pool


def database_url() -> URL:
    """Return the database's address; DB_PORT is the one part that has a default."""
    if "DATABASE_URL" in os.environ:
        return make_url(os.environ["DATABASE_URL"])
    return URL.create(
        "postgresql+psycopg",
        host=os.environ["DB_HOST"],
        port=int(os.environ.get("DB_PORT", "5432")),
        username=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"],
        database=os.environ["DB_NAME"],
    )


def run(*, transaction_per_migration: bool = False) -> None:
    """Run what Alembic was asked for against the database of the environment."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)-5.5s [%(name)s] %(message)s")
    logging.getLogger("alembic").setLevel(logging.INFO)
    url = database_url()
    if url.get_dialect().is_async:
        asyncio.run(_run_async(url, transaction_per_migration))
        return
    with create_engine(url, poolclass=pool.NullPool).connect() as connection:
        _migrate(connection, transaction_per_migration)


async def _run_async(url: URL, transaction_per_migration: bool) -> None:
    from sqlalchemy.ext.asyncio import create_async_engine  # needs greenlet, which only asyncpg's users have

    async with create_async_engine(url, poolclass=pool.NullPool).connect() as connection:
        await connection.run_sync(_migrate, transaction_per_migration)


def _migrate(connection: Connection, transaction_per_migration: bool) -> None:
    context.configure(connection=connection, transaction_per_migration=transaction_per_migration)
    with context.begin_transaction():
        context.run_migrations()
