"""Databases of the tests: each is a copy of one that Alembic brought to a revision once in the session."""

from __future__ import annotations

import csv
import io
import threading
from typing import TYPE_CHECKING

from tests.e2e.manifests import POSTGRES_HOST, SERVERS
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = {
    "linear": "linear0",
    "perrev": "perrev0",
    "perrev-fixed": "perrev0",
    "onetxn-fails": "onetxn0",
    "onetxn-fixed": "onetxn0",
    "twoheads": "twoheads0",
    "hidden-change": "hidden0",
    "batches": "batches0",
    "lock": "lock0",
    "slow": "slow0",
    "optuna": "v0.9.0.a",
}
LAST = {
    "linear": "linear3",
    "perrev": "perrev3",
    "perrev-fixed": "perrev3",
    "onetxn-fails": "onetxn3",
    "onetxn-fixed": "onetxn3",
    "twoheads": "heads",
    "hidden-change": "hidden1",
    "batches": "batches1",
    "lock": "lock1",
    "slow": "slow1",
    "sqlite": "sqlite1",
    "optuna": "v3.2.0.a",
}
"""Where each history starts, and what its minimal manifest names as target (tests/e2e/images/README.md)."""


class Databases:
    """The server in the cluster, through psql in its Pod: that works wherever kubectl does."""

    def __init__(self, kubectl: Callable[..., str]) -> None:
        self._kubectl = kubectl
        self._templates: set[str] = set()
        self._lock = threading.Lock()

    def sql(self, database: str, text: str) -> list[tuple[str, ...]]:
        """Run SQL as superuser, each statement by itself; return the rows as texts (NULL is an empty one)."""
        psql = ("psql", "--no-psqlrc", "-U", "postgres", "-d", database, "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1")
        found = self._kubectl("exec", "-i", "-n", SERVERS, "postgres-0", "-c", "postgres", "--", *psql, input=text)
        return [tuple(row) for row in csv.reader(io.StringIO(found)) if row]

    def create(self, name: str, password: str, history: str, at: str | None) -> None:
        """Create a role and its database of the same name, at a revision of a history (None: empty)."""
        template = self._template(history, at) if at else "template1"
        literal = password.replace("'", "''")
        self.sql(
            "postgres",
            f"CREATE ROLE {quoted(name)} LOGIN PASSWORD '{literal}';\n"
            f"CREATE DATABASE {quoted(name)} TEMPLATE {quoted(template)} OWNER {quoted(name)};\n"
            f"\\connect {name}\n"
            f"ALTER SCHEMA public OWNER TO {quoted(name)};\n"
            f"REASSIGN OWNED BY histories TO {quoted(name)};",
        )

    def drop(self, name: str) -> None:
        """Drop a database and the role of the same name, whoever is connected."""
        self.sql(
            "postgres", f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE);\nDROP ROLE IF EXISTS {quoted(name)};"
        )

    def sweep(self) -> None:
        """Prepare a server that is new, or that earlier sessions used."""
        left = "SELECT datname FROM pg_database WHERE datname ~ '^(app|template)_'"
        roles = "SELECT rolname FROM pg_roles WHERE rolname ~ '^app_'"
        for (name,) in {*self.sql("postgres", left), *self.sql("postgres", roles)}:
            self.drop(name)
        known = self.sql("postgres", "SELECT 1 FROM pg_roles WHERE rolname = 'histories'")
        if not known:
            self.sql("postgres", "CREATE ROLE histories LOGIN PASSWORD 'histories'")

    def _template(self, history: str, at: str) -> str:
        """Return a database at that revision, to be copied; Alembic itself makes it."""
        name = f"template_{history}_{at}".replace("-", "_").replace(".", "_").lower()
        with self._lock:
            if name in self._templates:
                return name
            # The database stays the superuser's: REASSIGN OWNED would give it away otherwise.
            grant = "GRANT CREATE ON SCHEMA public TO histories;"
            self.sql("postgres", f"CREATE DATABASE {name};\n\\connect {name}\n{grant}")
            url = f"DATABASE_URL=postgresql+psycopg://histories:histories@{POSTGRES_HOST}:5432/{name}"
            alembic = ("env", "-C", f"/histories/{history}", url, "alembic", "upgrade", at)
            self._kubectl("exec", "-n", SERVERS, "deployment/histories", "--", *alembic)
            # A session that is on its way out would keep the database from being copied.
            busy = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}'"
            until(f"nobody in {name}", lambda: not self.sql("postgres", busy), 10)
            self._templates.add(name)
        return name


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
