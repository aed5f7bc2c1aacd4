"""The histories of the end-to-end tests do what they are for, on a real PostgreSQL and without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import make_url
from tests.demo.conftest import HISTORIES, alembic, run_python

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.server


class Database:
    """The test's database as the histories and the test itself see it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def upgrade(self, case: str, target: str, **env: str) -> int:
        return alembic("upgrade", target, cwd=HISTORIES / case, **({"DATABASE_URL": self.url} | env)).returncode

    def session(self) -> psycopg.Connection[Any]:
        parts = make_url(self.url).translate_connect_args(username="user", database="dbname")
        return psycopg.connect(**parts)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.session() as connection:
            return connection.execute(query.encode()).fetchall()

    def revisions(self) -> list[str]:
        return sorted(row[0] for row in self.rows("SELECT version_num FROM alembic_version"))

    def columns(self, table: str) -> list[str]:
        query = f"SELECT column_name FROM information_schema.columns WHERE table_name = '{table}' ORDER BY 1"
        return [row[0] for row in self.rows(query)]


@pytest.fixture
def database(database_url: str) -> Database:
    return Database(database_url)


def test_linear_goes_all_the_way(database: Database) -> None:
    assert database.upgrade("linear", "linear0") == 0
    assert database.upgrade("linear", "heads") == 0
    assert database.revisions() == ["linear3"]


def test_perrev_stops_after_its_first_and_the_fixed_one_goes_on(database: Database) -> None:
    assert database.upgrade("perrev", "perrev0") == 0
    assert database.upgrade("perrev", "heads") != 0
    assert database.revisions() == ["perrev1"]
    assert database.rows("SELECT count(*) FROM accounts WHERE owner IS NULL") == [(0,)]
    assert database.upgrade("perrev-fixed", "heads") == 0
    assert database.revisions() == ["perrev3"]


def test_onetxn_changes_nothing_and_the_fixed_one_works(database: Database) -> None:
    assert database.upgrade("onetxn-fails", "onetxn0") == 0
    before = database.columns("accounts")
    assert database.upgrade("onetxn-fails", "heads") != 0
    assert database.revisions() == ["onetxn0"]
    assert database.columns("accounts") == before
    assert database.upgrade("onetxn-fixed", "heads") == 0
    assert database.revisions() == ["onetxn3"]


def test_two_heads_need_the_plural(database: Database) -> None:
    assert database.upgrade("twoheads", "twoheads0") == 0
    assert database.upgrade("twoheads", "head") != 0
    assert database.upgrade("twoheads", "heads") == 0
    assert database.revisions() == ["twoheads1a", "twoheads1b"]


def test_hidden_change_leaves_the_version_and_changes_the_schema(database: Database) -> None:
    assert database.upgrade("hidden-change", "hidden0") == 0
    assert database.upgrade("hidden-change", "heads") != 0
    assert database.revisions() == ["hidden0"]
    assert database.columns("people") == ["full_name", "id"]


def test_batches_leave_version_and_schema_and_change_rows(database: Database) -> None:
    assert database.upgrade("batches", "batches0") == 0
    assert database.upgrade("batches", "heads") != 0
    assert database.revisions() == ["batches0"]
    assert database.rows("SELECT count(*) FROM readings WHERE kelvin IS NOT NULL") == [(2000,)]


@pytest.fixture
def sqlite_file() -> Iterator[Path]:
    """Where the history's ini says that its database is; it would stay behind on this machine."""
    path = Path("/tmp/application.db")
    path.unlink(missing_ok=True)
    yield path
    path.unlink(missing_ok=True)


def test_sqlite_succeeds_without_touching_the_database(database: Database, sqlite_file: Path) -> None:
    assert database.upgrade("sqlite", "heads") == 0
    assert sqlite_file.exists()
    assert database.rows("SELECT to_regclass('alembic_version')") == [(None,)]


def test_lock_waits_for_a_reader_until_the_lock_timeout(database: Database) -> None:
    assert database.upgrade("lock", "lock0") == 0
    with database.session() as reader:
        reader.execute("SELECT * FROM t")
        assert database.upgrade("lock", "heads", PGOPTIONS="-c lock_timeout=200ms") != 0
    assert database.upgrade("lock", "heads") == 0
    assert database.revisions() == ["lock1"]


def test_slow_takes_the_time_it_is_told(database: Database) -> None:
    assert database.upgrade("slow", "slow0") == 0
    assert database.upgrade("slow", "heads", SLOW_SECONDS="0.1") == 0
    assert database.revisions() == ["slow1"]


def test_the_address_can_come_in_parts(database: Database) -> None:
    url = make_url(database.url)
    parts = {"DB_HOST": url.host, "DB_PORT": str(url.port), "DB_USER": url.username, "DB_NAME": url.database}
    env = {name: value or "" for name, value in parts.items()} | {"DB_PASSWORD": str(url.password or "unused")}
    assert alembic("upgrade", "linear0", cwd=HISTORIES / "linear", **env).returncode == 0
    assert database.revisions() == ["linear0"]


def test_optuna_reads_at_its_head_what_was_written_at_its_first_revision(database: Database, tmp_path: Path) -> None:
    folder = HISTORIES / "optuna"
    assert database.upgrade("optuna", "v0.9.0.a") == 0
    wrote = run_python(str(folder / "write.py"), cwd=tmp_path, DATABASE_URL=database.url)
    assert wrote.returncode == 0, wrote.stderr
    assert run_python(str(folder / "read.py"), cwd=tmp_path, DATABASE_URL=database.url).returncode != 0
    assert database.upgrade("optuna", "heads") == 0
    assert database.revisions() == ["v3.2.0.a"]
    read = run_python(str(folder / "read.py"), cwd=tmp_path, DATABASE_URL=database.url)
    assert read.returncode == 0, read.stderr
    assert "reads 4 studies, 101 trials" in read.stdout
