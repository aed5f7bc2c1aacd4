"""The connection pool."""

from __future__ import annotations

from sqlalchemy import Engine, create_engine

from shop import settings


def connect() -> Engine:
    """Return an engine for the shop's database; it connects when it is first used."""
    return create_engine(
        settings.database_url(),
        pool_size=4,
        max_overflow=2,
        pool_timeout=5,
        pool_pre_ping=True,  # a database that was restarted must not cost a request
        connect_args={
            "connect_timeout": 3,  # seconds; a readiness probe has no more
            "fallback_application_name": f"shop {settings.version()}",
        },
    )
