"""What all end-to-end tests share: a cluster, the operator from its chart, PostgreSQL, a bucket, and applications."""

from __future__ import annotations

import csv
import io
import json
import secrets
import subprocess
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from tests.cluster.cluster import LOCALKUBE, ROOT, CommandError
from tests.e2e import manifests
from tests.e2e.app import App
from tests.e2e.manifests import NEW_IMAGE, OLD_IMAGE, POSTGRES_HOST, S3_KEYS, SERVERS
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

SYSTEM = "dbmigrations-system"
OPERATOR = "deployment/dbmigrations-operator"
SETTINGS = {
    "retryForSeconds": 20,
    "configGraceSeconds": 6,
    "stopTimeoutSeconds": 15,
}
"""Short graces: what is wrong for good is told after seconds, not minutes."""
IMAGES = (
    "dbmigrations/operator:dev",
    "dbmigrations/runner:dev",
    OLD_IMAGE,
    NEW_IMAGE,
    "dbmigrations/demo-postgres:17",
    "dbmigrations/demo-s3:dev",
)
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


def command(*words: str) -> None:
    """Run a command that may take minutes on a new machine. Raises CommandError with what it said."""
    done = subprocess.run(words, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT, check=False)
    if done.returncode:
        raise CommandError(f"{' '.join(words)}: exit code {done.returncode}\n{done.stdout[-5000:]}")


def build_images() -> None:
    """Build every image; all but the first time the layers are there already."""
    for target in ("operator", "runner"):
        command(str(LOCALKUBE), "build", "-t", f"dbmigrations/{target}:dev", "--target", target, str(ROOT))
    command(str(ROOT / "deploy" / "demo" / "build-images"), "postgres", "s3", "histories")
    folder = str(ROOT / "tests" / "e2e" / "images")
    command(str(LOCALKUBE), "build", "-t", NEW_IMAGE, "--build-arg", "VERSION=next", folder)


class World:
    """One session's cluster with everything that the tests share."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._apps: list[App] = []
        self._templates: dict[str, str] = {}
        self._lock = threading.Lock()

    # -- set up

    def load(self) -> None:
        """Bring the images into the cluster."""
        command(str(LOCALKUBE), "load", "docker-image", *IMAGES, "--name", self.cluster.name)

    def install(self, **values: Any) -> None:
        """Install the operator by its chart, as a user does; its Pod is a new one each time."""
        if self._release_status().startswith("pending-"):
            # A helm that was killed leaves its release locked for ever.
            self.cluster.helm("uninstall", "dbmigrations", "--namespace", SYSTEM, "--wait")
        sets = [f"settings.{name}={value}" for name, value in {**SETTINGS, **values}.items()]
        arguments = [part for text in sets for part in ("--set", text)]
        self.cluster.helm(
            *("upgrade", "--install", "dbmigrations", str(ROOT / "charts" / "dbmigrations"), "--namespace", SYSTEM),
            *("--create-namespace", "--set-string", f"podAnnotations.e2e/started={time.time_ns()}", *arguments),
            *("--wait", "--timeout", "3m"),
        )

    def _release_status(self) -> str:
        listed = json.loads(self.cluster.helm("list", "--all", "--namespace", SYSTEM, "--output", "json"))
        return next((str(item["status"]) for item in listed if item["name"] == "dbmigrations"), "")

    def start_servers(self) -> None:
        """Start PostgreSQL and the store, or take those that an earlier session left."""
        self.apply(*manifests.servers())
        for name in ("statefulset/postgres", "deployment/s3", "deployment/histories"):
            self.kubectl("rollout", "status", name, "--namespace", SERVERS, "--timeout=3m")

    def sweep(self) -> None:
        """Remove what earlier sessions left: their namespaces, held resources included, and their databases."""
        left = [item["metadata"]["name"] for item in self.list("/api/v1/namespaces?labelSelector=dbmigrations.dev/e2e")]
        for space in left:
            self._let_go(space)
        if left:
            self.kubectl("delete", "namespace", *left, "--wait=false")
        for (name,) in self.sql("postgres", "SELECT datname FROM pg_database WHERE datname ~ '^(app|template)_'"):
            self.sql("postgres", f"DROP DATABASE {quoted(name)} WITH (FORCE)")
        for (name,) in self.sql("postgres", "SELECT rolname FROM pg_roles WHERE rolname ~ '^app_'"):
            self.sql("postgres", f"DROP ROLE {quoted(name)}")

    # -- use

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as in subprocess
        """Run kubectl against the cluster."""
        done = self.cluster.try_kubectl(*args, stdin=input)
        if check and done.returncode:
            raise CommandError(
                f"kubectl {' '.join(args)[:500]}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
            )
        return done.stdout

    def get(self, path: str) -> Json | None:
        """GET a path of the API; None where nothing is there. Waiting asks so: a process each time would be dear."""
        return self.cluster.get(path)

    def list(self, path: str) -> list[Json]:
        """GET the items of a list."""
        found = self.cluster.get(path)
        return list(found["items"]) if found else []

    def apply(self, *objects: Json) -> None:
        """Apply objects in their order."""
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump_all(objects))

    def sql(self, database: str, text: str) -> list[tuple[str, ...]]:
        """Run SQL as superuser, each statement by itself; return the rows as texts (NULL is an empty one)."""
        psql = ("psql", "--no-psqlrc", "-U", "postgres", "-d", database, "-q", "-t", "--csv", "-v", "ON_ERROR_STOP=1")
        found = self.kubectl("exec", "-i", "-n", SERVERS, "postgres-0", "-c", "postgres", "--", *psql, input=text)
        return [tuple(row) for row in csv.reader(io.StringIO(found)) if row]

    def bucket(self) -> list[str]:
        """Return the keys of the bucket's objects, newest versions only."""
        find = ("find", "/data/objects/backups", "-type", "f", "-printf", "%P\\n")
        return sorted(self.kubectl("exec", "-n", SERVERS, "deployment/s3", "--", *find).split())

    def operator_pod(self) -> str:
        """Return the name of the operator's Pod that is not on its way out."""
        pods = self.list(f"/api/v1/namespaces/{SYSTEM}/pods?labelSelector=app.kubernetes.io/name=dbmigrations")
        return str(next(p["metadata"]["name"] for p in pods if "deletionTimestamp" not in p["metadata"]))

    def kill_operator(self) -> None:
        """Kill the operator's process at once; its Deployment starts another."""
        self.kubectl("delete", "pod", self.operator_pod(), "-n", SYSTEM, "--grace-period=0", "--force", "--wait=false")

    def operator_log(self, about: str = "", lines: int = 0) -> str:
        """Return the operator's log, the lines about a namespace, or the last of these."""
        text = self.kubectl("logs", "--namespace", SYSTEM, self.operator_pod(), check=False)
        found = [line for line in text.splitlines() if about in line]
        return "\n".join(found[-lines:])

    def app(
        self,
        history: str,
        *,
        at: str | None = None,
        replicas: int = 2,
        kind: str = "Deployment",
        image: str = OLD_IMAGE,
        env: dict[str, str] | None = None,
        ready: Json | None = None,
        keep: bool = False,
        wait: bool = True,
    ) -> App:
        """Set up an application on a database at revision `at` (by default the history's first), and wait for it.

        `ready` is what /readyz answers. It is removed when the test ends; with `keep`, whoever made it removes it.
        """
        name = f"{history}-{secrets.token_hex(3)}"
        app = App(
            self,
            namespace=f"e2e-{name}",
            database=f"app_{name}".replace("-", "_"),
            kind=kind,
            history=history,
            target=LAST[history],
            password="p%40 @:/?#&'\"\\" + secrets.token_hex(8),
            url="",
            keep=keep,
        )
        app.url = f"postgresql://{app.database}:{quote(app.password, safe='')}@{POSTGRES_HOST}:5432/{app.database}"
        with self._lock:
            self._apps.append(app)
        self._database(app, FIRST.get(history) if at is None else at)
        variables = {**(env or {}), **({"READY_JSON": json.dumps(ready)} if ready else {})}
        reference = {"secretKeyRef": {"name": "database", "key": "url"}}
        env_list: list[Json] = [{"name": "DATABASE_URL", "valueFrom": reference}]
        env_list += [{"name": key, "value": value} for key, value in variables.items()]
        self.apply(
            manifests.namespace(app.namespace, manifests.LABEL),
            manifests.secret("database", app.namespace, {"url": app.url, "password": app.password}),
            manifests.secret("s3", app.namespace, S3_KEYS),
            manifests.service(app.namespace),
            manifests.workload(kind, app.namespace, image, replicas, env_list),
        )
        if wait:
            app.wait_ready()
        return app

    def delete(self, app: App) -> None:
        """Let go of an application's resources, its namespace and its database; nothing is waited for."""
        self._let_go(app.namespace)
        self.kubectl("delete", "namespace", app.namespace, "--wait=false", "--ignore-not-found")
        drop = (
            f"DROP DATABASE IF EXISTS {quoted(app.database)} WITH (FORCE); DROP ROLE IF EXISTS {quoted(app.database)}"
        )
        self.sql("postgres", drop)
        with self._lock:
            self._apps.remove(app)

    def tidy(self, *, all_of_them: bool = False) -> None:
        """Delete the applications of the test that has ended."""
        for app in [app for app in self._apps if all_of_them or not app.keep]:
            self.delete(app)

    # -- parts

    def _let_go(self, space: str) -> None:
        path = f"/apis/dbmigrations.dev/v1alpha1/namespaces/{space}/databasemigrations"
        for item in self.list(path):
            # An operator that is away, or a run that waits, must not keep a namespace for ever.
            name = item["metadata"]["name"]
            self.kubectl("delete", "databasemigration", name, "-n", space, "--wait=false", "--ignore-not-found")
            patch = '{"metadata":{"finalizers":null}}'
            self.kubectl("patch", "databasemigration", name, "-n", space, "--type=merge", "-p", patch, check=False)

    def _database(self, app: App, at: str | None) -> None:
        template = self._template(app.history, at) if at else "template1"
        literal = app.password.replace("'", "''")
        name = quoted(app.database)
        self.sql(
            "postgres",
            f"CREATE ROLE {name} LOGIN PASSWORD '{literal}';\n"
            f"CREATE DATABASE {name} TEMPLATE {quoted(template)} OWNER {name};\n"
            f"\\connect {app.database}\n"
            f"ALTER SCHEMA public OWNER TO {name};\n"
            f"REASSIGN OWNED BY histories TO {name};",
        )

    def _template(self, history: str, at: str) -> str:
        """Return a database at that revision, to be copied; made once a session by Alembic itself."""
        name = f"template_{history}_{at}".replace("-", "_").replace(".", "_").lower()
        with self._lock:
            if name in self._templates:
                return name
            # The database stays the superuser's: REASSIGN OWNED would give it away otherwise.
            self.sql(
                "postgres",
                "SELECT 'CREATE ROLE histories LOGIN PASSWORD ''histories''' "
                "WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'histories')\\gexec\n"
                f"CREATE DATABASE {name};\n\\connect {name}\nGRANT CREATE ON SCHEMA public TO histories;",
            )
            url = f"DATABASE_URL=postgresql+psycopg://histories:histories@{POSTGRES_HOST}:5432/{name}"
            alembic = ("env", "-C", f"/histories/{history}", url, "alembic", "upgrade", at)
            self.kubectl("exec", "-n", SERVERS, "deployment/histories", "--", *alembic)
            # A session that is on its way out would keep the database from being copied.
            busy = f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}'"
            until(f"nobody in {name}", lambda: not self.sql("postgres", busy), 10)
            self._templates[name] = at
        return name


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'
