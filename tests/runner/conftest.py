"""Servers for the runner's tests: each started once, when a test first asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.runner import rehearsals
from tests.runner.programs import Job, store_of
from tests.servers import postgres, s3
from tests.servers.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.runner.rehearsals import Rehearsal
    from tests.servers.postgres import Postgres
    from tests.servers.s3 import Store


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[int], Postgres]]:
    """``servers(16)`` is PostgreSQL 16."""
    running: dict[int, Postgres] = {}

    def get(major: int) -> Postgres:
        if major not in running:
            running[major] = postgres.start(major)
        return running[major]

    yield get
    for server in running.values():
        server.stop()


@pytest.fixture(scope="session")
def pg(servers: Callable[[int], Postgres]) -> Postgres:
    """The PostgreSQL that most tests use."""
    return servers(15)


@pytest.fixture(scope="session")
def s3_store() -> Iterator[Store]:
    store = s3.start()
    yield store
    store.stop()


@pytest.fixture
def bucket(s3_store: Store) -> str:
    return s3_store.new_bucket()


@pytest.fixture
def proxy(s3_store: Store) -> Iterator[Proxy]:
    proxy = Proxy(s3_store.port)
    yield proxy
    proxy.stop()


@pytest.fixture
def database(pg: Postgres) -> str:
    """A database as Alembic leaves one: version table, two tables, a few rows."""
    name = pg.new_database()
    pg.execute(
        """
        CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY);
        INSERT INTO alembic_version VALUES ('a1');
        CREATE TABLE customer (id int PRIMARY KEY, name text);
        INSERT INTO customer SELECT g, 'customer ' || g FROM generate_series(1, 100) g;
        CREATE TABLE nothing_in_it (id int);
        """,
        name,
    )
    return name


@pytest.fixture
def job(pg: Postgres, database: str, s3_store: Store, bucket: str) -> Job:
    """Programs that see this database and this bucket."""
    return Job(pg.url(database), store_of(s3_store, bucket))


@pytest.fixture
def app_role(pg: Postgres, database: str) -> str:
    """The application's role, which owns its tables and nothing else."""
    name = f"app_{database}"
    pg.execute(
        f"""
        CREATE ROLE {name} LOGIN PASSWORD '{rehearsals.PASSWORD}';
        ALTER TABLE alembic_version OWNER TO {name}; ALTER TABLE customer OWNER TO {name};
        ALTER TABLE nothing_in_it OWNER TO {name}; GRANT CREATE ON SCHEMA public TO {name};
        """,
        database,
    )
    return name


@pytest.fixture
def pod(pg: Postgres, database: str, app_role: str, job: Job) -> Iterator[Rehearsal]:
    """A rehearsal of a migration of this database."""
    with rehearsals.rehearsal(pg, database, app_role, job) as one:
        yield one
