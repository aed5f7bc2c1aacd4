"""Everything that a person can get wrong, as one table: what is said, where the application is, how it is put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.e2e import manifests
from tests.e2e.foreign_servers import address_of_this_machine, postgres
from tests.e2e.manifests import POSTGRES_HOST, S3_ENDPOINT, S3_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from tests.e2e.app import App

Json = dict[str, Any]

UNTOUCHED = "was not touched"
BACK = "application is back"
STOPPED = "APPLICATION IS STOPPED: Deployment/app (before: 1)"
RUNS = "runs on the new schema"
"""Where the application is, in the words of the message."""


@dataclass
class Case:
    """One row at work: its application, and servers that are to end with it."""

    app: App
    servers: ExitStack

    def secret(self, name: str, **values: str) -> None:
        """Create or change a Secret."""
        self.app.world.apply(manifests.secret(name, self.app.namespace, values))

    def config_map(self, name: str, **values: str) -> None:
        """Create or change a ConfigMap."""
        meta = {"name": name, "namespace": self.app.namespace}
        self.app.world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": values})

    def url(self, host: str, scheme: str = "postgresql") -> None:
        """Let the Secret `other` hold the application's URL with another host."""
        login = self.app.url.split("://")[1].replace(f"{POSTGRES_HOST}:5432", host)
        self.secret("other", url=f"{scheme}://{login}")

    def server(self, major: int) -> None:
        """Let the Secret `other` lead to an empty server of another major version."""
        nodes = self.app.world.list("/api/v1/nodes")
        address = next(a["address"] for a in nodes[0]["status"]["addresses"] if a["type"] == "InternalIP")
        self.secret("other", url=self.servers.enter_context(postgres(major, address_of_this_machine(address))))


@dataclass(frozen=True)
class Row:
    """One mistake. `spec` is merged into the minimal manifest; `prepare` makes the mistake where it is elsewhere.

    `fix` is merged into the manifest, `repair` mends what it refers to (with a new retryToken). `words` must occur in
    the message.
    """

    id: str
    reason: str
    application: str
    words: tuple[str, ...]
    spec: Json = field(default_factory=dict)
    prepare: Callable[[Case], object] = lambda _: None
    fix: Json | None = None
    repair: Callable[[Case], object] | None = None
    history: str = "linear"
    reached: frozenset[str] = frozenset({"linear3"})


def env(name: str, secret: str, key: str) -> Json:
    """A variable from a Secret, in the manifest."""
    return {"migration": {"env": [{"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]}}


def s3(**values: Any) -> Json:
    """Changes of the bucket's place."""
    return {"backup": {"s3": values}}


def http(**values: Any) -> Json:
    """Changes of the probe."""
    return {"probe": {"http": values}}


def hopeless(**values: Any) -> Json:
    """A probe that will not succeed, and is not waited for long."""
    return {"probe": {"http": values, "timeout": "8s"}}


def mended(**values: Any) -> Json:
    """The probe put right, with time for it."""
    return {"probe": {"http": values, "timeout": "1m"}}


OTHER = env("DATABASE_URL", "other", "url")
NO_ENV: Json = {"migration": {"env": None}}
APP = {"kind": "Deployment", "name": "app"}


def right_url(case: Case) -> None:
    """Let the Secret `other` hold the application's own URL."""
    case.secret("other", url=case.app.url)


REFERENCES = (
    Row("secret missing", "SecretNotFound", UNTOUCHED, ('"extra"',), env("TOKEN", "extra", "token"),
        repair=lambda case: case.secret("extra", token="a-token-of-the-tests")),
    Row("key of a secret missing", "SecretKeyNotFound", UNTOUCHED, ("uri", "database"), env("URI", "database", "uri"),
        fix=NO_ENV),
    Row("config map missing", "ConfigMapNotFound", UNTOUCHED, ('"settings"',),
        {"migration": {"envFrom": [{"configMapRef": {"name": "settings"}}]}},
        repair=lambda case: case.config_map("settings", COLOUR="blue")),
    Row("secret of the bucket missing", "SecretNotFound", UNTOUCHED, ('"keys"',),
        s3(credentialsFrom={"secretRef": {"name": "keys"}}), repair=lambda case: case.secret("keys", **S3_KEYS)),
    Row("key of the bucket's secret missing", "SecretKeyNotFound", UNTOUCHED, ("AWS_ACCESS_KEY_ID", "database"),
        s3(credentialsFrom={"secretRef": {"name": "database"}}), fix=s3(credentialsFrom={"secretRef": {"name": "s3"}})),
    Row("workload of podFrom missing", "WorkloadNotFound", UNTOUCHED, ("migration.podFrom", "Deployment/api"),
        {"migration": {"podFrom": {"name": "api"}}}, fix={"migration": {"podFrom": {"name": "app"}}}),
    Row("listed workload missing", "WorkloadNotFound", UNTOUCHED, ("workloads", "StatefulSet/worker"),
        {"workloads": [APP, {"kind": "StatefulSet", "name": "worker"}]}, fix={"workloads": [APP]}),
    Row("container missing", "ContainerNotFound", UNTOUCHED, ("web", "app"),
        {"migration": {"podFrom": {"container": "web"}}}, fix={"migration": {"podFrom": {"container": "app"}}}),
    Row("service missing", "ServiceNotFound", UNTOUCHED, ("Service api",), http(service="api"),
        fix=http(service="app")),
    Row("port missing", "ServicePortNotFound", UNTOUCHED, ("8080", "8000"), http(port=8080), fix=http(port=8000)),
)  # fmt: skip

DATABASE = (
    Row("variable missing", "VariableMissing", UNTOUCHED, ("DATABASE_URI", "connectionEnv"),
        {"migration": {"connectionEnv": {"url": "DATABASE_URI"}}},
        fix={"migration": {"connectionEnv": {"url": "DATABASE_URL"}}}),
    Row("wrong password", "AuthenticationFailed", UNTOUCHED, ("password authentication failed", "Secret"), OTHER,
        prepare=lambda case: case.secret("other", url=case.app.url.replace("p%25", "not-it%25")), repair=right_url),
    Row("unreachable host", "DatabaseUnreachable", UNTOUCHED, ("nowhere.invalid", "host"), OTHER,
        prepare=lambda case: case.url("nowhere.invalid:5432"), repair=right_url),
    # The store waits for the rest of a request, so nothing says what it is.
    Row("another server's port", "DatabaseUnreachable", UNTOUCHED, ("s3.e2e-servers.svc:7070", "PostgreSQL"), OTHER,
        prepare=lambda case: case.url(f"{POSTGRES_HOST.replace('postgres', 's3')}:7070"), repair=right_url),
    Row("another product", "NotPostgreSQL", UNTOUCHED, ("mysql", "PostgreSQL"), OTHER,
        prepare=lambda case: case.url("db:3306", scheme="mysql+pymysql"), repair=right_url),
    Row("database newer than the client", "ClientTooOld", UNTOUCHED, ("18", "17"), OTHER,
        prepare=lambda case: case.server(18), repair=right_url),
    Row("database too old", "ServerTooOld", UNTOUCHED, ("14", "15"), OTHER,
        prepare=lambda case: case.server(14), repair=right_url),
    Row("a table that may not be read", "CannotDump", UNTOUCHED, ("payroll",),
        prepare=lambda case: case.app.sql("CREATE TABLE payroll (id int)"),
        repair=lambda case: case.app.sql(f'GRANT SELECT ON payroll TO "{case.app.database}"')),
    Row("row security", "RowSecurity", UNTOUCHED, ("tenants", "BYPASSRLS"),
        prepare=lambda case: case.app.sql(
            "CREATE TABLE tenants (id int); ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;"
            f'GRANT SELECT ON tenants TO "{case.app.database}"'),
        repair=lambda case: case.app.sql(f'ALTER ROLE "{case.app.database}" BYPASSRLS')),
)  # fmt: skip

BUCKET = (
    Row("wrong bucket", "BucketNotFound", UNTOUCHED, ("nobodys-bucket", S3_ENDPOINT, "spec.backup.s3.bucket"),
        s3(bucket="nobodys-bucket"), fix=s3(bucket="backups")),
    Row("wrong endpoint", "StoreUnreachable", UNTOUCHED, ("s3.nowhere.invalid", "endpoint"),
        s3(endpoint="http://s3.nowhere.invalid:7070"), fix=s3(endpoint=S3_ENDPOINT)),
    # Python's web server says 501 to HEAD; others say 404, which is a bucket that is not there.
    Row("an endpoint that is no store", "StoreUnsupported", UNTOUCHED, ("http://app:8000", "is it an S3 store"),
        s3(endpoint="http://app:8000"), fix=s3(endpoint=S3_ENDPOINT)),
    Row("wrong keys", "InvalidCredentials", UNTOUCHED, ("credentialsFrom",),
        s3(credentialsFrom={"secretRef": {"name": "keys"}}),
        prepare=lambda case: case.secret("keys", **{**S3_KEYS, "AWS_SECRET_ACCESS_KEY": "not-the-secret-key-at-all"}),
        repair=lambda case: case.secret("keys", **S3_KEYS)),
)  # fmt: skip

IMAGE = (
    Row("image that cannot be pulled", "ImagePullFailed", BACK, ("localhost:1/no-such-image:1.0",),
        {"migration": {"image": "localhost:1/no-such-image:1.0"}}, fix={"migration": {"image": manifests.NEW_IMAGE}}),
    Row("command not found", "CommandNotFound", BACK, ("shopctl", "migration.command"),
        {"migration": {"command": ["shopctl", "upgrade"]}}, fix={"migration": {"command": None}}),
    Row("no alembic.ini", "MigrationFailed", BACK, ("unchanged", "kubectl logs"),
        {"migration": {"workingDir": "/tmp"}}, fix={"migration": {"workingDir": "/histories/linear"}}),
    Row("a version that the image does not know", "MigrationFailed", BACK, ("unchanged", "0ther", "kubectl logs"),
        prepare=lambda case: case.app.sql("UPDATE alembic_version SET version_num = '0ther'"),
        repair=lambda case: case.app.sql("UPDATE alembic_version SET version_num = 'linear0'")),
    Row("several heads", "MigrationFailed", BACK, ("unchanged", "twoheads0", "kubectl logs"),
        {"migration": {"target": "head"}}, history="twoheads", fix={"migration": {"target": "heads"}},
        reached=frozenset({"twoheads1a", "twoheads1b"})),
    Row("fails in one transaction", "MigrationFailed", BACK, ("unchanged", "onetxn0", "kubectl logs"),
        history="onetxn-fails", fix={"migration": {"workingDir": "/histories/onetxn-fixed"}},
        reached=frozenset({"onetxn3"})),
    Row("fails after a revision was committed", "MigrationFailedHalfway", STOPPED,
        ("WAS CHANGED", "perrev1", "s3://backups/", "corrected"),
        history="perrev", fix={"migration": {"workingDir": "/histories/perrev-fixed"}}, reached=frozenset({"perrev3"})),
    Row("a probe that never succeeds", "ProbeFailed", RUNS, ("/health/ready", "404"),
        hopeless(path="/health/ready"), fix=mended(path="/readyz")),
    Row("a probe that answers other JSON", "ProbeFailed", RUNS, ("/readyz", "status"),
        hopeless(expectJSON={"status": "perfect"}), fix=mended(expectJSON={"status": "ready"})),
)  # fmt: skip

ROWS = (*IMAGE, *DATABASE, *BUCKET, *REFERENCES)
"""The longest first: what is started last should not be waited for."""

ELSEWHERE = {
    "a listed workload twice": ("tests/api/table/rest.py", 'Duplicate value: {"kind":"Deployment"'),
}
"""Mistakes that the API server refuses, so that no run can show them: the file that tests them, and words in it."""
