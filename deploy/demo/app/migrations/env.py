"""Alembic's environment: the database is the one that DATABASE_URL names."""

from __future__ import annotations

import logging

from alembic import context
from sqlalchemy import create_engine, pool

from shop.settings import database_url

logging.basicConfig(level=logging.WARNING, format="%(levelname)-5.5s [%(name)s] %(message)s")
logging.getLogger("alembic").setLevel(logging.INFO)

if context.is_offline_mode():
    context.configure(url=database_url(), literal_binds=True, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
else:
    with create_engine(database_url(), poolclass=pool.NullPool).connect() as connection:
        # One transaction a revision: 0010 builds its index outside of any, and must not commit half of a longer one.
        context.configure(connection=connection, transaction_per_migration=True)
        with context.begin_transaction():
            context.run_migrations()
