"""What all end-to-end tests share: a cluster, the operator from its chart, PostgreSQL, a bucket, and applications."""

from __future__ import annotations

import json
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import yaml
from tests.cluster.cluster import ROOT, CommandError
from tests.e2e import manifests
from tests.e2e.app import App
from tests.e2e.building import load_images
from tests.e2e.databases import FIRST, LAST, Databases
from tests.e2e.manifests import OLD_IMAGE, POSTGRES_HOST, S3_KEYS, SERVERS
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from tests.cluster.cluster import Cluster

Json = dict[str, Any]

SYSTEM = "dbmigrations-system"
SETTINGS = {
    "retryForSeconds": 20,
    "configGraceSeconds": 6,
    "stopTimeoutSeconds": 15,
}
"""Short graces: what is wrong for good is told after seconds, not minutes."""


class World:
    """One session's cluster with everything that the tests share."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._apps: list[App] = []
        self._databases = Databases(self.kubectl)
        self._lock = threading.Lock()

    # -- set up

    def load(self) -> None:
        """Bring the images into the cluster."""
        load_images(self.cluster.name)

    def install(self, **values: Any) -> None:
        """Install the operator by its chart, as a user does; its Pod is a new one each time."""
        if self._release_status().startswith("pending-"):
            # A helm that was killed leaves its release locked for ever.
            self.cluster.helm("uninstall", "dbmigrations", "--namespace", SYSTEM, "--wait")
        sets = [f"settings.{name}={value}" for name, value in {**SETTINGS, **values}.items()]
        sets.append("scratch.images.17=dbmigrations/demo-postgres:17")
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
        self._databases.sweep()

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
        return self._databases.sql(database, text)

    def bucket(self) -> list[str]:
        """Return the keys of the bucket's objects, newest versions only."""
        # Tests that end meanwhile remove what is theirs: a folder that vanishes while it is read makes find fail.
        once = r"found=$(find /data/objects/backups -type f -printf '%P\n' 2> /dev/null)"
        loop = f'n=0; until {once}; do [ $((n += 1)) -lt 10 ] || exit 1; done; echo "$found"'
        return sorted(self.kubectl("exec", "-n", SERVERS, "deployment/s3", "--", "sh", "-c", loop).split())

    def operator_pod(self) -> str:
        """Return the name of the operator's Pod that is not on its way out."""
        path = f"/api/v1/namespaces/{SYSTEM}/pods?labelSelector=app.kubernetes.io/name=dbmigrations"

        def alive() -> str | None:
            names = [p["metadata"]["name"] for p in self.list(path) if "deletionTimestamp" not in p["metadata"]]
            return str(names[0]) if names else None

        return until("a Pod of the operator", alive, 60)

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
        self._databases.create(app.database, app.password, history, FIRST.get(history) if at is None else at)
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
        self._databases.drop(app.database)
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
