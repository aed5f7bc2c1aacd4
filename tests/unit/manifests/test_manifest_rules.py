"""Rules of what is built: names, what is taken from the application's Pod, who sees which credential, patches."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.making import NAME, NEW, OLD, SPACE, UID, Json, spec, workload
from tests.unit.manifests.test_manifest_golden import full, minimal

from dbmigrations.api.names import ORIGINAL, STOPPED_BECAUSE
from dbmigrations.api.run import Inspection, Original, Run, Step
from dbmigrations.manifests.jobs import Builder, backup_memory, pod_of
from dbmigrations.manifests.names import job_name
from dbmigrations.manifests.resource import Resource
from dbmigrations.manifests.runner import Runner
from dbmigrations.manifests.source import ContainerNotFoundError, pod_source
from dbmigrations.manifests.workloads import (
    explain_patch,
    images_of,
    new_images,
    noted_image,
    original_of,
    start_patch,
    stop_patch,
)

STEPS = [Step.INSPECT, Step.BACKUP, Step.MIGRATE, Step.RECHECK]


@given(
    st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?", fullmatch=True),
    st.sampled_from(STEPS),
    st.integers(1, 10_000),
)
def test_a_jobs_name_fits_a_label_for_every_resource(name: str, step: Step, attempt: int) -> None:
    found = job_name(name, UID, "12-ab12cd34", step, attempt)
    assert len(found) <= 63
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", found)


def test_a_jobs_name_is_a_function_of_uid_run_step_and_attempt() -> None:
    names = {
        job_name("a" * 253, uid, run, step, attempt)
        for uid in ("u1", "u2")
        for run in ("1-a", "2-a")
        for step in STEPS
        for attempt in (1, 2)
    }
    assert len(names) == 32
    assert job_name("x", "u", "1-a", Step.BACKUP, 1) == job_name("x", "u", "1-a", Step.BACKUP, 1)


def test_the_first_container_is_taken_where_none_is_named_and_never_another() -> None:
    app = workload(pod={"containers": [{"name": "app", "image": OLD}, {"name": "proxy", "image": "envoy"}]})
    assert pod_source(app, "").container == {"name": "app", "image": OLD}
    assert pod_source(app, "proxy").image == "envoy"
    with pytest.raises(ContainerNotFoundError, match=r"no container 'web'.*app, proxy"):
        pod_source(app, "web")


def test_what_the_application_serves_with_is_not_taken_over() -> None:
    source = full().source
    assert not {"command", "ports", "livenessProbe", "resources"} & set(source.container)
    assert "initContainers" not in source.pod
    assert "podAntiAffinity" not in source.pod["affinity"]
    assert [volume["name"] for volume in source.volumes] == ["config", "uploads", "data"]


def test_the_hash_of_the_surroundings_does_not_depend_on_the_image_but_on_all_else() -> None:
    first = pod_source(workload(), "").hash
    assert pod_source(workload(image=NEW, replicas=0), "").hash == first
    assert pod_source(workload(container={"envFrom": [{"secretRef": {"name": "x"}}]}), "").hash != first
    assert pod_source(workload(pod={"nodeSelector": {"a": "b"}}), "").hash != first


def containers(job: Json) -> dict[str, Json]:
    pod = job["spec"]["template"]["spec"]
    return {item["name"]: item for item in [*pod.get("initContainers", []), *pod["containers"]]}


def test_only_programs_that_use_the_bucket_see_its_credentials() -> None:
    builder = full()
    seen = {
        f"{step}/{name}": any(item["name"].startswith("DBM_S3_") for item in container["env"])
        for step in STEPS
        for name, container in containers(builder.job(step, 1)).items()
    }
    assert seen == {
        "Inspect/inspect": True,
        "Backup/backup": True,
        "Migrate/gate": True,
        "Migrate/guard": False,
        "Migrate/migrate": False,
        "Recheck/inspect": False,
    }


def test_without_a_backup_nobody_sees_the_bucket() -> None:
    parsed = spec({"backup": {"mode": "Skip", "s3": None}})
    run = Run("1-a", 1, parsed.hash)
    builder = Builder(Resource(SPACE, NAME, UID), parsed, pod_source(workload(), ""), run, Runner("r"))
    for step in (Step.INSPECT, Step.MIGRATE):
        assert "DBM_S3" not in json.dumps(builder.job(step, 1))


def test_no_job_carries_a_value_of_a_secret_an_owner_or_a_retry_of_its_own() -> None:
    for builder in (minimal(), full()):
        for step in STEPS:
            job = builder.job(step, 1)
            assert job["spec"]["backoffLimit"] == 0
            # Only Inspect, which changes nothing, may go with the resource in the middle of a run.
            assert ("ownerReferences" in job["metadata"]) == (step is Step.INSPECT)
            pod = job["spec"]["template"]["spec"]
            assert pod["restartPolicy"] == "Never"
            assert pod["activeDeadlineSeconds"] > 0
            assert pod["automountServiceAccountToken"] is False


def test_the_runners_containers_are_restricted_and_run_as_the_applications_user() -> None:
    for step in STEPS:
        for name, container in containers(full().job(step, 1)).items():
            if name != "migrate":
                security = container["securityContext"]
                assert security["runAsNonRoot"]
                assert security["readOnlyRootFilesystem"]
                assert security["runAsUser"] == 1000


@pytest.mark.parametrize("where", ["container", "pod"])
def test_an_application_that_runs_as_root_does_not_make_the_runner_root(where: str) -> None:
    root = {"securityContext": {"runAsUser": 0}}
    app = workload(container=root if where == "container" else None, pod=root if where == "pod" else None)
    builder = minimal()
    made = Builder(builder.resource, builder.spec, pod_source(app, ""), builder.run, builder.runner)
    assert containers(made.job(Step.INSPECT, 1))["inspect"]["securityContext"]["runAsUser"] == 65532


def test_a_claim_is_mounted_only_when_the_application_is_stopped() -> None:
    def volumes(step: Step) -> dict[str, Json]:
        return {v["name"]: v for v in full().job(step, 1)["spec"]["template"]["spec"]["volumes"]}

    assert "emptyDir" in volumes(Step.INSPECT)["uploads"]
    assert "persistentVolumeClaim" in volumes(Step.MIGRATE)["uploads"]


def test_the_same_path_is_mounted_once() -> None:
    app = workload(
        container={"volumeMounts": [{"name": "t", "mountPath": "/tmp/"}], "env": [{"name": "HOME", "value": "/srv"}]},
        pod={"volumes": [{"name": "t", "emptyDir": {}}]},
    )
    builder = minimal()
    made = Builder(builder.resource, builder.spec, pod_source(app, ""), builder.run, builder.runner)
    for step in STEPS:
        for container in containers(made.job(step, 1)).values():
            paths = [mount["mountPath"].rstrip("/") for mount in container["volumeMounts"]]
            assert len(paths) == len(set(paths))
            assert [item["value"] for item in container["env"] if item["name"] == "HOME"] == ["/srv"]


def test_a_variable_of_the_manifest_replaces_the_applications_and_no_name_stands_twice() -> None:
    for step in STEPS:
        for container in containers(full().job(step, 1)).values():
            names = [item["name"] for item in container["env"]]
            assert len(names) == len(set(names))
            assert next(item for item in container["env"] if item["name"] == "LOG")["value"] == "debug"


def test_the_options_of_the_user_come_before_ours_and_are_defined_before_they_are_used() -> None:
    env = containers(full().job(Step.MIGRATE, 1))["migrate"]["env"]
    names = [item["name"] for item in env]
    assert names.index("DBM_USER_PGOPTIONS") < names.index("PGOPTIONS")
    assert env[names.index("PGOPTIONS")]["value"].startswith("$(DBM_USER_PGOPTIONS) -c lock_timeout=3s")


def test_the_pod_of_a_dry_run_is_that_of_the_job() -> None:
    job = minimal().job(Step.MIGRATE, 1)
    pod = pod_of(job)
    assert pod["spec"] == job["spec"]["template"]["spec"]
    assert len(pod["metadata"]["generateName"]) <= 51


@pytest.mark.parametrize(
    ("needed", "limit"), [(0, "256Mi"), (1, "256Mi"), (300 * 2**20, "300Mi"), (300 * 2**20 + 1, "301Mi")]
)
def test_the_backups_memory_is_what_inspect_computed_and_never_less_than_256_mebibytes(needed: int, limit: str) -> None:
    assert backup_memory(Run("1-a", 1, "a", inspection=Inspection(backup_memory_bytes=needed))) == limit


RESOURCE = Resource(SPACE, NAME, UID)
RUN = Run("1-a", 1, "a", old_image=OLD)


def stopped(original: Original) -> Json:
    app = workload(original.name, replicas=0)
    patch = stop_patch(original, RESOURCE, RUN, "7")
    app["metadata"]["annotations"] = {ORIGINAL: patch["metadata"]["annotations"][ORIGINAL]}
    return app


def test_the_patch_that_stops_writes_the_original_and_is_guarded_by_the_version() -> None:
    patch = stop_patch(Original("Deployment", "shop-api", 3, {"app": OLD}), RESOURCE, RUN, "7")
    assert patch["spec"] == {"replicas": 0}
    assert patch["metadata"]["resourceVersion"] == "7"
    assert json.loads(patch["metadata"]["annotations"][ORIGINAL]) == {
        "replicas": 3,
        "images": {"app": OLD},
        "image": OLD,
        "run": "1-a",
        "resource": f"{SPACE}/{NAME}",
        "uid": UID,
    }


def test_a_zero_with_our_note_is_never_taken_for_an_original() -> None:
    assert original_of("Deployment", stopped(Original("Deployment", "shop-api", 3))).replicas == 3
    assert original_of("Deployment", workload(replicas=0)).replicas == 0


def test_a_note_on_a_workload_that_somebody_scaled_up_says_nothing() -> None:
    app = stopped(Original("Deployment", "shop-api", 3))
    app["spec"]["replicas"] = 5
    assert original_of("Deployment", app).replicas == 5


def test_the_note_says_which_image_the_application_had() -> None:
    assert noted_image(stopped(Original("Deployment", "shop-api", 3))) == OLD
    assert noted_image(workload()) == ""


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "{", '{"replicas": null}', '{"replicas": "many"}'])
def test_a_note_that_somebody_spoilt_still_brings_one_pod_back(text: str) -> None:
    app = workload(replicas=0)
    app["metadata"]["annotations"] = {ORIGINAL: text or "x"}
    assert original_of("Deployment", app).replicas == 1
    assert noted_image(app) == ""


def test_an_unset_number_of_replicas_is_one() -> None:
    app = workload()
    del app["spec"]["replicas"]
    assert original_of("Deployment", app).replicas == 1


def test_the_patch_that_starts_removes_our_notes_and_leaves_replicas_where_they_are_right() -> None:
    patch = start_patch(None, {}, "8")
    assert patch["spec"] == {}
    assert patch["metadata"] == {"resourceVersion": "8", "annotations": {ORIGINAL: None, STOPPED_BECAUSE: None}}
    patch = start_patch(3, {"containers": {"app": NEW}}, "8")
    assert patch["spec"] == {"replicas": 3, "template": {"spec": {"containers": [{"name": "app", "image": NEW}]}}}


def test_a_reason_on_a_workload_fits_its_place() -> None:
    patch = explain_patch("x" * 5000, "8")
    assert len(patch["metadata"]["annotations"][STOPPED_BECAUSE]) == 1000


def test_every_container_with_the_old_image_gets_the_new_one_and_no_other() -> None:
    app = workload(
        pod={
            "initContainers": [{"name": "assets", "image": OLD}, {"name": "wait", "image": "busybox"}],
            "containers": [{"name": "app", "image": OLD}, {"name": "proxy", "image": "envoy"}],
        }
    )
    assert new_images(app, {OLD, "shop:1.3.0"}, NEW) == {"initContainers": {"assets": NEW}, "containers": {"app": NEW}}
    assert new_images(app, {NEW}, NEW) == {}
    assert new_images(app, {OLD}, OLD) == {}
    assert images_of(app) == {"assets": OLD, "wait": "busybox", "app": OLD, "proxy": "envoy"}
