"""One application of the tests in a namespace of its own, and the DatabaseMigrations that are applied beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from tests.e2e import manifests
from tests.e2e.waiting import report, until
from tests.health import capture

if TYPE_CHECKING:
    from tests.e2e.world import World

Json = dict[str, Any]
RESOURCES = "/apis/dbmigrations.dev/v1alpha1/namespaces/{}/databasemigrations"


@dataclass
class App:
    """Made by `World.app`. `password` and `url` are secret: they must appear nowhere but in the Secret `database`."""

    world: World
    namespace: str
    database: str
    kind: str
    history: str
    target: str
    password: str
    url: str
    keep: bool = False

    # -- the cluster around it

    def kubectl(self, *args: str, input: str | None = None, check: bool = True) -> str:  # noqa: A002 - as in subprocess
        """Run kubectl in the application's namespace."""
        return self.world.kubectl("--namespace", self.namespace, *args, input=input, check=check)

    def sql(self, text: str) -> list[tuple[str, ...]]:
        """Run SQL as superuser in the application's database."""
        return self.world.sql(self.database, text)

    def revisions(self) -> set[str]:
        """Return the rows of the version table."""
        return {row[0] for row in self.sql("SELECT version_num FROM alembic_version")}

    def workload(self, name: str = "app") -> Json:
        """Return the Deployment or StatefulSet."""
        found = self.world.get(f"/apis/apps/v1/namespaces/{self.namespace}/{self.kind.lower()}s/{name}")
        assert found is not None, f"{self.kind} {name} does not exist in {self.namespace}"
        return found

    def replicas(self, name: str = "app") -> int:
        """Return the replicas asked for now."""
        return int(self.workload(name)["spec"]["replicas"])

    def images(self, name: str = "app") -> dict[str, str]:
        """Return the images of the workload's template by container."""
        return {c["name"]: c["image"] for c in self.workload(name)["spec"]["template"]["spec"]["containers"]}

    def pods(self, selector: str = "") -> list[Json]:
        """Return the namespace's Pods."""
        return self.world.list(f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={selector}")

    def jobs(self) -> list[Json]:
        """Return the namespace's Jobs, oldest first."""
        found = self.world.list(f"/apis/batch/v1/namespaces/{self.namespace}/jobs")
        return sorted(found, key=lambda job: str(job["metadata"]["creationTimestamp"]))

    def stopped(self, name: str = "app") -> bool:
        """Tell whether it is at 0 and no Pod of it is left."""
        return self.replicas(name) == 0 and not self.pods(f"app={name}")

    def wait_ready(self, name: str = "app", timeout: float = 90) -> None:
        """Wait until all Pods of the newest template are ready."""

        def back() -> bool:
            found = self.workload(name)
            wanted, status = found["spec"]["replicas"], found.get("status", {})
            newest = status.get("observedGeneration", 0) >= found["metadata"]["generation"]
            counts = {status.get(key, 0) for key in ("readyReplicas", "updatedReplicas", "replicas")}
            return newest and counts == {wanted}

        until(f"{self.kind} {name} of {self.namespace} ready", back, timeout, lambda: report(self))

    # -- its DatabaseMigrations

    def manifest(self, **overrides: Any) -> Json:
        """Return the minimal manifest for this application, with `overrides` (metadata=…, spec=…) merged in."""
        base = manifests.migration(self.namespace, self.kind, self.history, self.target)
        return manifests.merged(base, overrides)

    def apply(self, manifest: Json | None = None) -> None:
        """Apply a manifest (the minimal one by default)."""
        self.kubectl("apply", "-f", "-", input=yaml.safe_dump(manifest or self.manifest()))

    def edit(self, name: str = "m", patch: Json | None = None) -> None:
        """Merge a patch into a resource; with no patch, only a new retryToken is set."""
        found = patch or {"spec": {"retryToken": f"again-{self.get(name)['metadata']['generation']}"}}
        self.kubectl("patch", "databasemigration", name, "--type=merge", "-p", json.dumps(found))

    def find(self, name: str = "m") -> Json | None:
        """Return a resource, or None."""
        return self.world.get(f"{RESOURCES.format(self.namespace)}/{name}")

    def get(self, name: str = "m") -> Json:
        """Return a resource."""
        found = self.find(name)
        assert found is not None, f"{self.namespace}/{name} does not exist"
        return found

    def conditions(self, name: str = "m") -> dict[str, Json]:
        """Return the conditions by type."""
        return {item["type"]: item for item in self.get(name)["status"].get("conditions", [])}

    def events(self, name: str = "m") -> list[tuple[str, str, str]]:
        """Return type, reason and message of the resource's events, oldest first."""
        found = self.world.list(f"/api/v1/namespaces/{self.namespace}/events?limit=500")
        mine = [event for event in found if event["involvedObject"].get("name") == name]
        mine = [event for event in mine if event["involvedObject"].get("kind") == "DatabaseMigration"]
        # Times are whole seconds; within one, the resourceVersion has the order of writing.
        mine.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return [(event["type"], event["reason"], event["message"]) for event in mine]

    def wait_told(self, kind: str, reason: str, name: str = "m") -> None:
        """Wait until there is an event of that type and reason: it follows the write of the status that it tells of."""

        def told() -> bool:
            return (kind, reason) in [event[:2] for event in self.events(name)]

        until(f"the event {reason}", told, 30, lambda: report(self, name))

    def wait_ended(self, name: str = "m", timeout: float = 180) -> Json:
        """Wait until the newest specification's run ended, Ready or Stalled, and return the resource."""
        ended = until(f"{name} Ready or Stalled", lambda: _ended(self.get(name)), timeout, lambda: report(self, name))
        word = "ready" if condition(ended, "Ready")["status"] == "True" else "stalled"
        reason = condition(ended, "Ready" if word == "ready" else "Stalled")["reason"]
        capture.save(f"{word}-{self.namespace}-{ended['status']['run']['number']}-{reason}".lower(), ended)
        return ended

    def wait_phase(self, name: str, *phases: str, timeout: float = 120) -> Json:
        """Wait until the phase is one of these, and return the resource; it is kept for the health tests."""

        def there() -> Json | None:
            found = self.get(name)
            return found if found["status"].get("phase") in phases else None

        found = until(f"{name} in phase {' or '.join(phases)}", there, timeout, lambda: report(self, name))
        capture.save(f"{found['status']['phase']}-{self.namespace}".lower(), found)
        return found

    def delete(self) -> None:
        """Let go of everything; the namespace ends by itself."""
        self.world.delete(self)


def condition(resource: Json, kind: str) -> Json:
    """Return one condition of a resource."""
    found: Json = next(item for item in resource["status"]["conditions"] if item["type"] == kind)
    return found


def _ended(resource: Json) -> Json | None:
    status, spec = resource["status"], resource["spec"]
    run = status.get("run", {})
    if status.get("observedGeneration") != resource["metadata"]["generation"] or not run.get("outcome"):
        return None
    if run.get("retryToken", "") != spec.get("retryToken", ""):
        return None
    ends = [c for c in status["conditions"] if c["type"] in {"Ready", "Stalled"} and c["status"] == "True"]
    return resource if ends else None
