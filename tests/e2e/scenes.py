"""What the scenarios share: manifests, sessions of other people, applications that stop or start slowly."""

from __future__ import annotations

import json
import threading
from base64 import b64decode, b64encode
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from tests.e2e import invariants, manifests
from tests.e2e.app import condition
from tests.e2e.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]

OPERATOR = "dbmigrations-system"


def manifest(app: App, target: str, *, name: str = "m", **spec: Any) -> Json:
    """Return the minimal manifest with a target, with patience for a busy machine, and with `spec` merged in."""
    base = {"migration": {"target": target}, "resume": {"timeout": "5m"}, "probe": {"timeout": "1m"}}
    wanted = manifests.merged(base, spec)
    return app.manifest(metadata={"name": name}, spec=wanted)


def ended_well(world: World, app: App, *, replicas: dict[str, int] | None = None, seconds: int = 420) -> Json:
    """Wait for the end, see that it is Ready and that the invariants hold; return the resource."""
    resource = app.wait_ended(timeout=seconds)
    assert condition(resource, "Ready")["status"] == "True", condition(resource, "Ready")
    return invariants.check(world, app, replicas=replicas)


def ended_badly(world: World, app: App, reason: str, *, seconds: int = 420, **checked: Any) -> Json:
    """Wait for the end, see that it is Stalled for that reason and that the invariants hold; return the resource."""
    resource = app.wait_ended(timeout=seconds)
    stalled = condition(resource, "Stalled")
    assert (stalled["status"], stalled["reason"]) == ("True", reason), stalled
    return invariants.check(world, app, **checked)


@contextmanager
def session(world: World, app: App, application: str, statements: str = "SELECT 1") -> Iterator[None]:
    """Hold a session of somebody else in the application's database, in a transaction that ran some statements."""
    text = f"SET application_name = '{application}'; BEGIN; {statements}; SELECT pg_sleep(600)"

    def hold() -> None:
        with suppress(AssertionError):  # it is ended from outside
            world.sql(app.database, text)

    thread = threading.Thread(target=hold, name=application)
    thread.start()
    where = f"FROM pg_stat_activity WHERE datname = '{app.database}' AND application_name = '{application}'"
    try:
        sleeping = f"SELECT pid {where} AND wait_event = 'PgSleep'"
        until(f"the session {application} is there", lambda: world.sql("postgres", sleeping) or None, 20)
        yield
    finally:
        world.sql("postgres", f"SELECT pg_terminate_backend(pid) {where}")
        thread.join()


def stops_slowly(app: App, seconds: int) -> None:
    """Let the application's Pods take that long to end. To be called before the migration."""
    container = {"name": "app", "env": [{"name": "IGNORE_SIGTERM", "value": "1"}]}
    roll(app, {"terminationGracePeriodSeconds": seconds, "containers": [container]})


def starts_slowly(app: App, seconds: int) -> None:
    """Let the application's Pods take that long to become ready. To be called before the migration."""
    probe = {"initialDelaySeconds": seconds, "periodSeconds": 1}
    roll(app, {"containers": [{"name": "app", "readinessProbe": probe}]})


def roll(app: App, pod: Json) -> None:
    """Change the template of the application's Pods and wait until none of an older one is left."""
    patch = {"spec": {"template": {"spec": pod}}}
    app.kubectl("patch", f"{app.kind.lower()}/app", "--type=strategic", "-p", json.dumps(patch))
    app.wait_ready(timeout=240)
    until("the Pods of the old template are gone", lambda: len(app.pods("app=app")) == app.replicas(), 120)


def jobs_of(app: App, step: str) -> list[Json]:
    """Return the Jobs of a step, whichever attempt and run."""
    return [job for job in app.jobs() if job["metadata"]["labels"].get("dbmigrations.dev/step") == step]


def pods_of(app: App, step: str) -> list[Json]:
    """Return the Pods of a step, whichever attempt and run."""
    return app.pods(f"dbmigrations.dev/step={step}")


def running(app: App, step: str, container: str) -> str | None:
    """Return the name of the step's Pod once that container runs."""
    for pod in pods_of(app, step):
        status = pod["status"]
        for seen in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            if seen["name"] == container and "running" in seen["state"]:
                return str(pod["metadata"]["name"])
    return None


def attempts_of(resource: Json) -> dict[str, int]:
    """Return the number of attempts by step, as the status tells them."""
    return {step: attempt["number"] for step, attempt in resource["status"]["run"].get("attempts", {}).items()}


def objects_of(world: World, resource: Json) -> list[str]:
    """Return the keys in the bucket below the resource's uid."""
    return [key for key in world.bucket() if f"/{resource['metadata']['uid']}/" in key]


def reasons(app: App) -> list[str]:
    """Return the reasons of the events on the resource, in their order."""
    return [reason for _, reason, _ in app.events()]


def managers(app: App, workload: str) -> dict[str, str]:
    """Return who wrote which fields of a workload last: manager to time."""
    found = json.loads(app.kubectl("get", workload, "-o", "json", "--show-managed-fields"))
    return {entry["manager"]: entry["time"] for entry in found["metadata"]["managedFields"]}


def add_workload(app: App, kind: str, name: str, replicas: int) -> None:
    """Run a second workload of the application, outside of its Service."""
    env = app.workload()["spec"]["template"]["spec"]["containers"][0]["env"]
    body = manifests.workload(kind, app.namespace, manifests.OLD_IMAGE, replicas, env, name=name)
    app.kubectl("apply", "-f", "-", input=json.dumps(body))
    app.kubectl("rollout", "status", f"{kind.lower()}/{name}", "--timeout=120s")


def history_program(world: World, app: App, program: str) -> str:
    """Run a program of the histories' image on the application's database and return what it printed."""
    command = ("env", f"DATABASE_URL={app.url}", "python", f"/histories/{program}")
    return world.kubectl("exec", "-n", manifests.SERVERS, "deployment/histories", "--", *command)


def restore(world: World, uri: str, database: str) -> None:
    """Restore a dump of the bucket into a new database, as anybody could: with cat and pg_restore."""
    path = "/data/objects/" + uri.removeprefix("s3://")
    world.sql("postgres", f'CREATE DATABASE "{database}"')
    inside = ("exec", "-i", "-n", manifests.SERVERS)
    dump = world.kubectl(*inside, "deployment/s3", "--", "base64", path)
    load = f"base64 -d | pg_restore -U postgres --no-owner --no-privileges --exit-on-error -d '{database}'"
    world.kubectl(*inside, "postgres-0", "-c", "postgres", "--", "sh", "-c", load, input=dump)


def rewrite_url(app: App, change: Any) -> None:
    """Change the address in the application's Secret."""
    for secret in json.loads(app.kubectl("get", "secrets", "-o", "json"))["items"]:
        for key, encoded in secret.get("data", {}).items():
            value = b64decode(encoded).decode()
            if value.startswith("postgres"):
                patch = {"data": {key: b64encode(change(value).encode()).decode()}}
                app.kubectl("patch", "secret", secret["metadata"]["name"], "-p", json.dumps(patch))
