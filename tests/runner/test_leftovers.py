"""A killed migration's backend is ended before anything is believed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from dbmigrations.runner import leftovers

if TYPE_CHECKING:
    from tests.servers.postgres import Postgres


def test_sessions_from_the_addresses_are_ended_and_uncommitted_work_is_gone(pg: Postgres, database: str) -> None:
    with psycopg.connect(pg.url(database), autocommit=True) as connection, psycopg.connect(pg.url(database)) as left:
        left.execute("DELETE FROM customer")
        assert leftovers.end(connection, ("127.0.0.1", "::1")) == 1
        with pytest.raises(psycopg.OperationalError):
            left.execute("SELECT 1")
        assert connection.execute("SELECT count(*) FROM customer").fetchone() == (100,)


def test_sessions_from_elsewhere_are_left_alone(pg: Postgres, database: str) -> None:
    with psycopg.connect(pg.url(database), autocommit=True) as connection, psycopg.connect(pg.url(database)) as other:
        assert leftovers.end(connection, ("198.51.100.7",)) == 0
        assert other.execute("SELECT 1").fetchone() == (1,)
