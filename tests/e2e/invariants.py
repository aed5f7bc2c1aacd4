"""What must hold after every scenario, however it ended (I1 and I3 to I7 of the fault catalogue).

Each function raises AssertionError with what it found. `check` runs all of them.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from tests.e2e.app import condition
from tests.e2e.manifests import SERVERS
from tests.e2e.waiting import until

from dbmigrations.api.names import FINALIZER, LABEL_RUN, LABEL_STEP, LABEL_UID, ORIGINAL

if TYPE_CHECKING:
    from tests.e2e.app import App
    from tests.e2e.world import World

Json = dict[str, Any]


def check(world: World, app: App, name: str = "m", *, replicas: dict[str, int] | None = None) -> Json:
    """Check all invariants of an application whose run has ended; returns the resource.

    `replicas` are the original ones by kind/name, by default two of the workload `app`.
    """
    resource = until("the finalizer is gone after the run's end", lambda: _released(app, name), 60)
    workloads_are_back_or_the_reason_is_loud(app, resource, replicas or {f"{app.kind.lower()}/app": 2})
    status_names_the_revisions_of_the_database(app, resource)
    no_session_is_left(world, app)
    no_job_runs(app, resource)
    a_change_has_a_backup_that_predates_it(world, app, resource)
    no_secret_is_shown(world, app, resource)
    return resource


def workloads_are_back_or_the_reason_is_loud(app: App, resource: Json, replicas: dict[str, int]) -> None:
    """I1."""
    for workload, original in replicas.items():
        found = json.loads(app.kubectl("get", workload, "-o", "json"))
        if found["spec"]["replicas"] == original:
            assert ORIGINAL not in found["metadata"].get("annotations", {}), f"{workload} is back and still marked"
            continue
        stalled = condition(resource, "Stalled")
        assert stalled["status"] == "True", f"{workload} has {found['spec']['replicas']} replicas: {resource['status']}"
        kind, _, short = workload.partition("/")
        assert short in stalled["message"], f"{kind} {short} is not back, and the message does not name it: {stalled}"
        if found["spec"]["replicas"] == 0:
            assert "STOPPED" in stalled["message"].upper(), stalled


def status_names_the_revisions_of_the_database(app: App, resource: Json) -> None:
    """I3."""
    run = resource["status"]["run"]
    seen: Json = run.get("after") or run.get("before") or run.get("planned") or {}
    if seen:
        assert set(seen.get("revisions", [])) == app.revisions()


def no_session_is_left(world: World, app: App) -> None:
    """I4: nothing of ours; a test that holds a session itself has let go of it before."""
    query = f"SELECT application_name, client_addr, state, query FROM pg_stat_activity WHERE datname = '{app.database}'"
    until("no session is left", lambda: not world.sql("postgres", query), 10, lambda: str(world.sql("postgres", query)))


def no_job_runs(app: App, resource: Json) -> None:
    """I5."""
    uid = resource["metadata"]["uid"]

    def jobs() -> list[Json]:
        return [job for job in app.jobs() if job["metadata"]["labels"].get(LABEL_UID) == uid]

    def running() -> list[str]:
        # The operator reads Pods, whose end the Job's controller counts a moment later.
        return [job["metadata"]["name"] for job in jobs() if job.get("status", {}).get("active")]

    until("no Job runs after the end", lambda: not running(), 15, lambda: str(running()))
    orphans = [job["metadata"]["name"] for job in jobs() if not job["metadata"].get("ownerReferences")]
    assert not orphans, f"would stay for ever: {orphans}"


def no_secret_is_shown(world: World, app: App, resource: Json) -> None:
    """I6: in the status, in events, in Jobs and Pods, in their logs, in the operator's log, in the bucket."""
    places = {
        "the resource": json.dumps(resource),
        "events": app.kubectl("get", "events", "-o", "json"),
        "Jobs": app.kubectl("get", "jobs", "-o", "json"),
        "logs of Jobs": app.kubectl(
            "logs", "-l", LABEL_UID, "--all-containers", "--tail=-1", "--prefix", "--ignore-errors", check=False
        ),
        "the operator's log": until("an operator that logs", lambda: world.operator_log() or None, 60),
        **{f"s3: {key}": _object(world, key) for key in manifests_of(world, resource)},
    }
    # As JSON writes them, passwords look different: their random ends do not.
    for secret in {*secrets_of(app), app.password[-16:]}:
        for place, text in places.items():
            assert secret not in text, f"a secret of {app.namespace} is in {place}"


def a_change_has_a_backup_that_predates_it(world: World, app: App, resource: Json) -> None:
    """I7: of the run that changed the database, or of the first one where later ones took over."""
    run = resource["status"]["run"]
    if not run.get("started") or run["spec"]["backup"]["mode"] == "Skip":
        return
    backup = run.get("firstBackup") or run["backup"]
    assert backup["verified"]
    assert backup["manifestKey"] in world.bucket()
    assert backup["uri"].removeprefix("s3://").partition("/")[2] in world.bucket()
    for job in app.jobs():
        labels = job["metadata"]["labels"]
        if (labels.get(LABEL_RUN), labels.get(LABEL_STEP)) == (run["id"], "Migrate"):
            assert backup["takenAt"][:19] <= job["metadata"]["creationTimestamp"][:19]


def manifests_of(world: World, resource: Json) -> list[str]:
    """Return the keys of the backup manifests of a resource, whichever run wrote them."""
    uid = resource["metadata"]["uid"]
    return [key for key in world.bucket() if f"/{uid}/" in key and key.endswith("manifest.json")]


def secrets_of(app: App) -> set[str]:
    """Return the passwords and secret keys of a namespace; names and addresses that stand beside them are none."""
    found: set[str] = set()
    for secret in json.loads(app.kubectl("get", "secrets", "-o", "json"))["items"]:
        for key, encoded in secret.get("data", {}).items():
            value = b64decode(encoded).decode(errors="replace")
            if re.search("password|secret", key, re.IGNORECASE):
                found.add(value)
            elif match := re.match(r"\w+(?:\+\w+)?://[^:/@]*:([^@]+)@", value):
                found.add(match[1])
    return {value for value in found if len(value) >= 6}


def _released(app: App, name: str) -> Json | None:
    resource: Json = app.get(name)
    return None if FINALIZER in resource["metadata"].get("finalizers", []) else resource


def _object(world: World, key: str) -> str:
    path = f"/data/objects/backups/{key}"
    return str(world.kubectl("exec", "-n", SERVERS, "deployment/s3", "--", "cat", path))
