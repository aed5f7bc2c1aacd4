"""What the application takes from its environment."""

from __future__ import annotations

import os


class SettingMissing(SystemExit):
    """A variable without which the application cannot start; the message says which and what it looks like."""


def database_url() -> str:
    """Return the SQLAlchemy URL of the shop's database."""
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        raise SettingMissing(
            "DATABASE_URL is not set, so the shop does not know its database: "
            "set it to postgresql+psycopg://USER:PASSWORD@HOST:5432/DATABASE."
        )
    return url


def version() -> str:
    """Return this image's release, such as 2.0.0."""
    return os.environ.get("SHOP_VERSION", "2.0.0")


def major() -> int:
    """Return the number that says which code and which schema belong together."""
    return int(version().split(".")[0])
