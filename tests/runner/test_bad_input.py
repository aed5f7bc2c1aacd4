"""One table of everything that can be wrong beforehand: each row ends inspect with its own reason, and no secret."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from tests.runner.programs import Job, store_of
from tests.servers import postgres, s3

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.servers.postgres import Postgres
    from tests.servers.s3 import Store

pytestmark = pytest.mark.server

PASSWORD = "w%40rd s:e'c\"ret/42"


@dataclass
class World:
    """What a row may change before inspect runs."""

    pg: Postgres
    servers: Callable[[int], Postgres]
    store: Store
    database: str
    job: Job

    def role(self, name: str, attributes: str = "") -> None:
        """Connect as a role that owns nothing, but may read what is there."""
        login = f"{name}_{self.database}"
        self.pg.execute(
            f"""
            CREATE ROLE {login} LOGIN PASSWORD '{PASSWORD.replace("'", "''")}' {attributes};
            GRANT SELECT ON ALL TABLES IN SCHEMA public TO {login};
            """,
            self.database,
        )
        self.job.url = self.pg.url(self.database, login, PASSWORD)

    def sql(self, statements: str) -> None:
        self.pg.execute(statements, self.database)

    def s3_changes(self, **changes: Any) -> None:
        self.job.store = {**(self.job.store or {}), **changes}


def wrong_password(world: World) -> None:
    world.job.url = world.pg.url(world.database, password=PASSWORD)


def unknown_role(world: World) -> None:
    world.job.url = world.pg.url(world.database, user="nobody_knows", password=PASSWORD)


def role_that_may_not_log_in(world: World) -> None:
    world.role("nologin")
    world.sql(f"ALTER ROLE nologin_{world.database} NOLOGIN")


def unreachable_host(world: World) -> None:
    world.job.url = f"postgresql://shop:secretsecret@127.0.0.1:{free_port()}/shop"


def unknown_host(world: World) -> None:
    world.job.url = "postgresql://shop:secretsecret@no-such-host.invalid/shop"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def another_product(world: World) -> None:
    world.job.url = "mysql+pymysql://shop:secretsecret@db/shop"


def a_server_that_waits_for_more(world: World) -> None:
    # Such as a web server: it takes the connection, and libpq's first eight bytes are no request yet.
    world.job.url = f"postgresql://shop:secretsecret@127.0.0.1:{world.store.port}/shop"


def missing_variable(world: World) -> None:
    world.job.config["connection"] = {"url": "DATABASE_URI"}


def missing_part(world: World) -> None:
    world.job.config["connection"] = {"host": "DB_HOST", "password": "DB_PASSWORD"}
    world.job.variables["DB_HOST"] = "127.0.0.1"


def missing_database(world: World) -> None:
    world.job.url = world.pg.url("no_such_database")


def server_too_old(world: World) -> None:
    old = world.servers(14)
    world.job.url = old.url(old.new_database())


def server_newer_than_the_client(world: World) -> None:
    new = world.servers(18)
    world.job.url, world.job.clients = new.url(new.new_database()), (15, 16)


def no_encryption(world: World) -> None:
    world.job.url += "?sslmode=require"


def no_free_connection(world: World) -> None:
    world.role("limited", "CONNECTION LIMIT 0")


def one_table_unreadable(world: World) -> None:
    world.role("reader")
    world.sql('CREATE TABLE "Pay roll" (id int)')


def a_sequence_unreadable(world: World) -> None:
    world.role("reader")
    world.sql("CREATE SEQUENCE counter")


def a_schema_closed(world: World) -> None:
    world.sql("CREATE SCHEMA inner_part; CREATE TABLE inner_part.t (id int)")
    world.role("reader")
    world.sql(f"GRANT SELECT ON inner_part.t TO reader_{world.database}")


def a_large_object_unreadable(world: World) -> None:
    world.role("reader")
    world.sql("SELECT lo_from_bytea(424242::oid, 'x'::bytea)")


def row_security(world: World) -> None:
    world.role("reader")
    world.sql("ALTER TABLE customer ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON customer USING (id < 5)")


def forced_row_security(world: World) -> None:
    world.role("owner", "NOBYPASSRLS")
    for table in ("customer", "nothing_in_it", "alembic_version"):
        world.sql(f"ALTER TABLE {table} OWNER TO owner_{world.database}")
    world.sql("ALTER TABLE customer ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY")


def another_version_table(world: World) -> None:
    world.job.config["versionTable"] = "customer"


def wrong_bucket(world: World) -> None:
    world.s3_changes(bucket="no-such-bucket")


def wrong_endpoint(world: World) -> None:
    world.s3_changes(endpoint=f"http://127.0.0.1:{free_port()}")


def endpoint_without_scheme(world: World) -> None:
    world.s3_changes(endpoint="store.example")


def endpoint_of_something_else(world: World) -> None:
    world.s3_changes(endpoint=f"http://127.0.0.1:{world.pg.port}")


def endpoint_with_tls_where_there_is_none(world: World) -> None:
    world.s3_changes(endpoint=f"https://127.0.0.1:{world.store.port}")


def wrong_access_key(world: World) -> None:
    world.job.variables["DBM_S3_ACCESS_KEY_ID"] = "nobody"


def wrong_secret_key(world: World) -> None:
    world.job.variables["DBM_S3_SECRET_ACCESS_KEY"] = "wrong" + PASSWORD


def no_right_to_the_bucket(world: World) -> None:
    world.job.variables |= world.store.new_user()


def missing_ca(world: World) -> None:
    world.s3_changes(caFile="/no/such/ca.pem")


TABLE = [
    (wrong_password, "AuthenticationFailed", False, "password authentication failed"),
    (unknown_role, "AuthenticationFailed", False, "nobody_knows"),
    (role_that_may_not_log_in, "AuthenticationFailed", False, "not permitted to log in"),
    (unreachable_host, "DatabaseUnreachable", True, "Connection refused"),
    (unknown_host, "DatabaseUnreachable", True, "no-such-host.invalid"),
    (another_product, "NotPostgreSQL", False, "mysql"),
    (a_server_that_waits_for_more, "DatabaseUnreachable", True, "timeout expired"),
    (missing_variable, "VariableMissing", False, "DATABASE_URI is not set"),
    (missing_part, "VariableMissing", False, "DB_PASSWORD is not set"),
    (missing_database, "DatabaseNotFound", False, "no_such_database"),
    (server_too_old, "ServerTooOld", False, "PostgreSQL 14"),
    (server_newer_than_the_client, "ClientTooOld", False, "newest pg_dump of the runner image is 16"),
    (no_encryption, "TLSFailed", False, "does not support SSL"),
    (no_free_connection, "ConnectionsExhausted", True, "too many connections"),
    (one_table_unreadable, "CannotDump", False, 'public."Pay roll"'),
    (a_sequence_unreadable, "CannotDump", False, "public.counter"),
    (a_schema_closed, "CannotDump", False, "inner_part.t"),
    (a_large_object_unreadable, "CannotDump", False, "large object 424242"),
    (row_security, "RowSecurity", False, "public.customer"),
    (forced_row_security, "RowSecurity", False, "public.customer"),
    (another_version_table, "VersionTableUnreadable", False, "no column version_num"),
    (wrong_bucket, "BucketNotFound", False, "looking for the bucket"),
    (wrong_endpoint, "StoreUnreachable", True, "did not answer"),
    (endpoint_without_scheme, "InvalidStore", False, "Invalid endpoint"),
    (endpoint_of_something_else, "StoreUnreachable", True, "did not answer"),
    (endpoint_with_tls_where_there_is_none, "StoreTLSFailed", False, "TLS to the store failed"),
    (wrong_access_key, "InvalidCredentials", False, "InvalidAccessKeyId"),
    (wrong_secret_key, "InvalidCredentials", False, "SignatureDoesNotMatch"),
    (no_right_to_the_bucket, "AccessDenied", False, "AccessDenied"),
    (missing_ca, "InvalidStore", False, "/no/such/ca.pem"),
]


@pytest.mark.parametrize(("change", "reason", "transient", "said"), TABLE, ids=[row[0].__name__ for row in TABLE])
def test_inspect_names_what_is_wrong(change, reason, transient, said, servers, pg, database, s3_store, bucket, job):
    world = World(pg, servers, s3_store, database, job)
    change(world)
    outcome = world.job.run("inspect")
    result = outcome.failed_with(reason)
    assert result["transient"] is transient
    assert said in result["message"]
    assert result["hint"]
    for secret in (PASSWORD, postgres.PASSWORD, s3.SECRET_KEY, "secretsecret", "wrong" + PASSWORD):
        assert secret not in outcome.log
        assert json.dumps(secret)[1:-1] not in outcome.log
    assert s3_store.keys(bucket) == []
    assert s3_store.uploads(bucket) == []


@contextlib.contextmanager
def talker(first_words: bytes) -> Iterator[int]:
    """A TCP server that says something to everybody and listens no further."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = server.accept()
                client.sendall(first_words)
                client.recv(1024)
                client.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize(
    "greeting",
    [
        b"\x4a\x00\x00\x00\x0a8.0.36\x00\x08\x00\x00\x00",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
    ids=["mysql", "ssh", "http"],
)
def test_servers_of_other_kinds_are_recognised(greeting):
    with talker(greeting) as port:
        Job(f"postgresql://shop:secretsecret@127.0.0.1:{port}/shop").run("inspect").failed_with("NotPostgreSQL")


def test_a_replica_is_refused(tmp_path):
    server = postgres.start(15)
    try:
        database = server.new_database()
        server.become_standby()
        Job(server.url(database)).run("inspect").failed_with("InRecovery")
    finally:
        server.stop()


def test_object_lock_without_checksums_is_refused(pg, database, s3_store):
    bucket = s3_store.new_bucket(versioned=True, lock=True)
    outcome = Job(pg.url(database), store_of(s3_store, bucket, checksums="WhenRequired")).run("inspect")
    outcome.failed_with("ObjectLockNeedsChecksums")
