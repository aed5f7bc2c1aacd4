"""`decide` as tables: in this step, with this seen, the run goes there, for this reason, with this effect."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit import making
from tests.unit.machine.scene import (
    AFTER,
    BEFORE,
    NOW,
    RUNNING,
    WAITING,
    ago,
    decided,
    ended,
    job,
    pod,
    print_of,
    report,
    scene,
    seen,
)

from dbmigrations.api.clock import to_micro, to_text
from dbmigrations.api.run import Attempt, Fingerprint, Step
from dbmigrations.machine.effects import (
    AddFinalizer,
    CreateJob,
    DeleteJob,
    DryRun,
    ExplainWorkload,
    ProbeOnce,
    RemoveFinalizer,
    StartWorkload,
    StopWorkload,
)
from dbmigrations.machine.observed import ProbeSeen, Problem

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed

INSPECTED = report(facts={"serverVersion": "17.6", "sizeBytes": 9, "identity": {"id": "x"}, **print_of(BEFORE)})
AT_TARGET = report(facts={"serverVersion": "17.6", "identity": {"id": "x"}, **print_of(AFTER)})
PASSING = report(False, reason="DatabaseUnreachable", message="it is away", transient=True)
REFUSED = report(False, reason="AuthenticationFailed", message="the password is wrong", hint="correct it")
BACKED_UP = report(facts={"uri": "s3://b/d", "manifestKey": "m", "sha256": "ab", "verified": True})
HALF = replace(AFTER, revisions=("0004",))


def migrated(
    code: int, after: Fingerprint = AFTER, *, guard: str = "", wait: dict[str, Any] | None = None, **more: Any
):
    """A Migrate Job whose Pod ended."""
    said = guard or report(facts={**print_of(after), "lockWait": wait})
    states = {
        "gate": ended(0, report(facts=print_of(BEFORE))),
        "guard": ended(0, said),
        "migrate": ended(code, reason=more.pop("reason", "")),
    }
    return job(Step.MIGRATE, pod(states, phase="Failed" if code else "Succeeded", **more), finished=True)


STARTED = {"started": True, "before": BEFORE}


@dataclass(frozen=True)
class Row:
    """One situation and what must be decided in it; "" means: the run goes on."""

    id: str
    observed: Observed
    step: Step
    effect: type | None = None
    reason: str = ""
    outcome: str = ""
    says: tuple[str, ...] = field(default=())


ROWS = [
    # Inspect
    Row("inspect creates its Job after recording the attempt", scene(Step.INSPECT, run={"attempts": {}}),
        Step.INSPECT, CreateJob),
    Row("an attempt recorded before a crash is created under the same number",
        scene(Step.INSPECT, run={"attempts": {"Inspect": Attempt(1)}}), Step.INSPECT, CreateJob),
    Row("an inspection that went well leads to the check",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": ended(0, INSPECTED)})),)), Step.CHECK),
    Row("a database at the target ends the run without downtime",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": ended(0, AT_TARGET)})),)),
        Step.DONE, None, "AlreadyAtTarget", "Succeeded", ("no downtime",)),
    Row("at the target, an application that an earlier run left stopped is brought back",
        scene(Step.INSPECT, workloads=(seen(held=True),), has_finalizer=True,
              jobs=(job(Step.INSPECT, pod({"inspect": ended(0, AT_TARGET)})),)), Step.RESUME),
    Row("before that, the resource is held: it must not go in the middle",
        scene(Step.INSPECT, workloads=(seen(held=True),),
              jobs=(job(Step.INSPECT, pod({"inspect": ended(0, AT_TARGET)})),)), Step.INSPECT, AddFinalizer),
    Row("heads is never taken for reached",
        scene(Step.INSPECT, changes={"migration": {"target": "heads"}},
              jobs=(job(Step.INSPECT, pod({"inspect": ended(0, AT_TARGET)})),)), Step.CHECK),
    Row("what passes by itself is tried again",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": ended(1, PASSING)})),)), Step.INSPECT),
    Row("what passes by itself is given up in time",
        scene(Step.INSPECT, run={"retry_until": to_micro(ago(1))},
              jobs=(job(Step.INSPECT, pod({"inspect": ended(1, PASSING)})),)),
        Step.DONE, None, "DatabaseUnreachable", "Failed", ("it is away", "not touched")),
    Row("a wrong password ends the run at once, the application untouched",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": ended(1, REFUSED)})),)),
        Step.DONE, None, "AuthenticationFailed", "Failed", ("not touched", "correct it")),
    Row("a missing Secret is waited for a while",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": {"waiting": {
            "reason": "CreateContainerConfigError", "message": 'secret "db" not found'}}}, seconds=5)),)), Step.INSPECT),
    Row("a missing Secret is named",
        scene(Step.INSPECT, jobs=(job(Step.INSPECT, pod({"inspect": {"waiting": {
            "reason": "CreateContainerConfigError", "message": 'secret "db" not found'}}}, seconds=40)),)),
        Step.DONE, None, "SecretNotFound", "Failed", ('secret "db" not found',)),
    Row("a missing workload is waited for while manifests are being applied",
        scene(Step.INSPECT, source=None, run={"started_at": to_text(ago(3)), "attempts": {}}), Step.INSPECT),
    Row("a missing workload is named", scene(Step.INSPECT, source=None, run={"attempts": {}}),
        Step.DONE, None, "WorkloadNotFound", "Failed", ("Deployment/shop-api does not exist",)),
    Row("a missing container is named, with those that exist",
        scene(Step.INSPECT, changes={"migration": {"podFrom": {"container": "web"}}}, run={"attempts": {}}),
        Step.DONE, None, "ContainerNotFound", "Failed", ("'web'", "app")),
    Row("a missing Service is named", scene(Step.INSPECT, service=None, run={"attempts": {}}),
        Step.DONE, None, "ServiceNotFound", "Failed"),
    Row("a missing port is named, with those that exist",
        scene(Step.INSPECT, service=making.service(port=80), run={"attempts": {}}),
        Step.DONE, None, "ServicePortNotFound", "Failed", ("80",)),
    Row("Scale refuses a workload that has another image",
        scene(Step.INSPECT, changes={"resume": {"mode": "Scale"}}, run={"attempts": {}}),
        Step.DONE, None, "ImageDiffers", "Failed", (making.OLD, making.NEW)),
    Row("a lost Inspect Job is tried again", scene(Step.INSPECT), Step.INSPECT),
    # Check
    Row("every later Pod is tried first", scene(Step.CHECK), Step.CHECK, DryRun),
    Row("a quota may pass", scene(Step.CHECK, problem=Problem(403, "Forbidden", "exceeded quota: q")), Step.CHECK),
    Row("Pod Security does not pass",
        scene(Step.CHECK, problem=Problem(403, "Forbidden", 'violates PodSecurity "restricted"')),
        Step.DONE, None, "PodSecurityViolation", "Failed", ("not touched",)),
    Row("the finalizer comes before anything must be undone",
        scene(Step.CHECK, dry_run_of="1-abcdef12"), Step.CHECK, AddFinalizer),
    Row("originals are written before the stop",
        scene(Step.CHECK, dry_run_of="1-abcdef12", has_finalizer=True), Step.QUIESCE),
    Row("Online stops nothing",
        scene(Step.CHECK, changes={"strategy": "Online"}, dry_run_of="1-abcdef12", has_finalizer=True), Step.BACKUP),
    # Quiesce
    Row("a running workload is stopped", scene(Step.QUIESCE, workloads=(seen(),)), Step.QUIESCE, StopWorkload),
    Row("a Pod that is left is waited for", scene(Step.QUIESCE, workloads=(seen(held=True, pods=1),)), Step.QUIESCE),
    Row("a Pod that will not end ends the run, and the application comes back",
        scene(Step.QUIESCE, run={"step_started_at": to_micro(ago(200))}, workloads=(seen(held=True, pods=1),)),
        Step.PUT_BACK, None, "PodsWillNotEnd"),
    Row("nothing left leads to the backup", scene(Step.QUIESCE), Step.BACKUP),
    Row("without a backup it leads to the migration",
        scene(Step.QUIESCE, changes={"backup": {"mode": "Skip", "s3": None}}), Step.MIGRATE),
    # Backup
    Row("a verified dump leads to the migration",
        scene(Step.BACKUP, jobs=(job(Step.BACKUP, pod({"backup": ended(0, BACKED_UP)})),)), Step.MIGRATE),
    Row("a failed dump brings the application back, and the migration never starts",
        scene(Step.BACKUP, jobs=(job(Step.BACKUP, pod({"backup": ended(1, report(
            False, reason="DumpFailed", message="pg_dump was killed"))})),)), Step.PUT_BACK, None, "DumpFailed"),
    Row("a lost backup is tried once more", scene(Step.BACKUP), Step.BACKUP),
    Row("a backup lost twice brings the application back",
        scene(Step.BACKUP, run={"attempts": {"Backup": Attempt(2, uid="gone")}}), Step.PUT_BACK, None, "JobLost"),
    Row("out of memory is said",
        scene(Step.BACKUP, jobs=(job(Step.BACKUP, pod({"backup": ended(137, reason="OOMKilled")})),)),
        Step.PUT_BACK, None, "OOMKilled"),
    Row("a workload scaled up during the backup brings everything back",
        scene(Step.BACKUP, workloads=(seen(replicas=2),)), Step.PUT_BACK, None, "ScaledUpDuringBackup"),
    # Migrate
    Row("the Job is created after a verified backup", scene(Step.MIGRATE, run={"attempts": {}}), Step.MIGRATE, CreateJob),
    Row("a template edited meanwhile is not run",
        scene(Step.MIGRATE, run={"attempts": {}, "template_hash": "other"}), Step.PUT_BACK, None, "PodTemplateChanged"),
    Row("the gate refuses: the command never ran",
        scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, pod({"gate": ended(1, report(
            False, reason="BackupMissing", message="no manifest")), "guard": WAITING, "migrate": WAITING},
            phase="Failed"), finished=True),)), Step.PUT_BACK, None, "BackupMissing"),
    Row("a guard that was restarted lets nothing start, and its Job is ended first",
        scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, pod({"gate": ended(0, report()), "guard": RUNNING,
            "migrate": WAITING}, restarts=1, last=report(False, reason="LockHeld", message="held"))),)),
        Step.RECHECK, None, "LockHeld"),
    Row("a command that is not there",
        scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, pod({"gate": ended(0, report()), "guard": RUNNING,
            "migrate": ended(128, "exec: alembic: not found", "StartError")})),)),
        Step.PUT_BACK, None, "CommandNotFound"),
    Row("an image that cannot be pulled may be there in the next moment: its Job is ended first",
        scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, pod({"gate": ended(0, report()), "guard": RUNNING,
            "migrate": {"waiting": {"reason": "ImagePullBackOff", "message": "x"}}}, seconds=40)),)),
        Step.RECHECK, None, "ImagePullFailed"),
    Row("running is recorded before anything else",
        scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, pod({"gate": ended(0, report(facts=print_of(BEFORE))),
            "guard": RUNNING, "migrate": RUNNING})),)), Step.MIGRATE),
    Row("the target reached leads to the start", scene(Step.MIGRATE, run=STARTED, jobs=(migrated(0),)), Step.RESUME),
    Row("a failure that changed nothing brings the application back",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, BEFORE),)), Step.PUT_BACK, None, "MigrationFailed"),
    Row("a failure half-way stops loudly, and names the dump",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, HALF),)),
        Step.DONE, None, "MigrationFailedHalfway", "Failed", ("THE APPLICATION IS STOPPED", "s3://backups/dump.pgc")),
    Row("counters that were reset are not taken for unchanged",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, replace(BEFORE, resets="other", changes="other")),)),
        Step.DONE, None, "MigrationUnclear", "Failed", ("MAY HAVE BEEN CHANGED",)),
    Row("rows back-filled in batches are a change though the version is the same",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, replace(BEFORE, changes="other")),)),
        Step.DONE, None, "MigrationFailedHalfway", "Failed"),
    Row("exit 0 on another database is found out",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(0, BEFORE),)), Step.PUT_BACK, None, "TargetNotReached"),
    Row("exit 0 and an unchanged database is all that heads can tell",
        scene(Step.MIGRATE, changes={"migration": {"target": "heads"}}, run=STARTED, jobs=(migrated(0, BEFORE),)),
        Step.RESUME),
    Row("a lock timeout is tried again",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, BEFORE, wait={"seconds": 5.1, "pid": 7}),)), Step.MIGRATE),
    Row("a short lock timeout is recognised although the guard saw the wait up to half a second before its end",
        scene(Step.MIGRATE, run=STARTED, changes={"migration": {"lockTimeout": "1s"}},
              jobs=(migrated(1, BEFORE, wait={"seconds": 0.6, "pid": 7}),)), Step.MIGRATE),
    Row("a wait for a lock that was granted in time is not taken for the cause of a failure",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, BEFORE, wait={"seconds": 1.0, "pid": 7}),)),
        Step.PUT_BACK, None, "MigrationFailed"),
    Row("lock timeouts end after the retries, and name who held it",
        scene(Step.MIGRATE, run={**STARTED, "attempts": {"Migrate": Attempt(1, uid="uid-Migrate-1")}},
              changes={"migration": {"lockRetries": 0}},
              jobs=(migrated(1, BEFORE, wait={"seconds": 5.1, "pid": 7, "application": "psql", "address": "::1"}),)),
        Step.PUT_BACK, None, "LockTimeout", says=("psql@::1 (pid 7)",)),
    Row("a deadline is told as one",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(143, BEFORE, reason="Error"),)),
        Step.PUT_BACK, None, "MigrationFailed"),
    Row("a guard without a report leads to another look",
        scene(Step.MIGRATE, run=STARTED, jobs=(migrated(1, guard="cut off"),)), Step.RECHECK),
    Row("a lost Job leads to another look", scene(Step.MIGRATE, run=STARTED), Step.RECHECK),
    # Recheck
    Row("a lost migration that reached its target is one",
        scene(Step.RECHECK, run=STARTED, jobs=(job(Step.RECHECK, pod({"inspect": ended(0, AT_TARGET)})),)), Step.RESUME),
    Row("a lost migration that changed nothing brings the application back",
        scene(Step.RECHECK, run=STARTED, jobs=(job(Step.RECHECK, pod({"inspect": ended(0, INSPECTED)})),)),
        Step.PUT_BACK, None, "MigrationLost"),
    Row("without a look before, nothing is taken for unchanged",
        scene(Step.RECHECK, jobs=(job(Step.RECHECK, pod({"inspect": ended(0, INSPECTED)})),)),
        Step.DONE, None, "MigrationUnclear", "Failed"),
    Row("what is left of the Pod is ended first",
        scene(Step.RECHECK, run=STARTED, jobs=(job(Step.MIGRATE, pod({"migrate": RUNNING})),)), Step.RECHECK, DeleteJob),
    # Resume, Probe, PutBack
    Row("the application starts with the new image", scene(Step.RESUME), Step.RESUME, StartWorkload),
    Row("Pods that are not ready are waited for",
        scene(Step.RESUME, workloads=(seen(image=making.NEW, ready=False),)), Step.RESUME),
    Row("not ready in time is said, and nothing is undone",
        scene(Step.RESUME, run={"step_started_at": to_micro(ago(700)), "after": AFTER},
              workloads=(seen(image=making.NEW, ready=False),)), Step.DONE, None, "NotReadyInTime", "Failed",
        ("0 of 3 ready",)),
    Row("a ready application is probed", scene(Step.RESUME, workloads=(seen(image=making.NEW),)), Step.PROBE),
    Row("one answer after the other", scene(Step.PROBE, workloads=(seen(image=making.NEW),)), Step.PROBE, ProbeOnce),
    Row("enough right answers end the run",
        scene(Step.PROBE, run={"after": AFTER}, workloads=(seen(image=making.NEW),), probe=ProbeSeen(3, "200")),
        Step.DONE, None, "Migrated", "Succeeded", ("0005",)),
    Row("wrong answers end it as Stalled",
        scene(Step.PROBE, run={"step_started_at": to_micro(ago(400)), "after": AFTER},
              workloads=(seen(image=making.NEW),), probe=ProbeSeen(0, "GET /readyz: 503 instead of 200")),
        Step.DONE, None, "ProbeFailed", "Failed", ("503 instead of 200",)),
    Row("the application comes back with the image that it had",
        scene(Step.PUT_BACK), Step.PUT_BACK, StartWorkload),
    Row("nothing of the run still works while the application comes back",
        scene(Step.PUT_BACK, jobs=(job(Step.BACKUP, pod({"backup": RUNNING})),)), Step.PUT_BACK, DeleteJob),
    Row("back as it was, the run ends", scene(Step.PUT_BACK, workloads=(seen(),)), Step.DONE, None, "Failed", "Failed",
        ("The application is back",)),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_decision(row: Row) -> None:
    decision, run = decided(row.observed)
    assert run.step is row.step
    assert type(decision.effect) is (row.effect or type(None))
    assert run.outcome == row.outcome
    ready = decision.status.conditions.get("Ready")
    if row.outcome:
        assert ready.reason == row.reason
        assert ready.status == ("True" if row.outcome == "Succeeded" else "False")
        assert decision.status.conditions.is_true("Stalled") == (row.outcome == "Failed")
    elif row.reason:
        assert run.failure is not None
        assert run.failure.reason == row.reason
    said = ready.message + (run.failure.message if run.failure else "")
    for words in row.says:
        assert words in said


def test_a_run_that_took_over_a_stopped_application_never_starts_the_old_one() -> None:
    failed = job(Step.BACKUP, pod({"backup": ended(1, report(False, reason="DumpFailed", message="killed"))}))
    decision, run = decided(scene(Step.BACKUP, run={"taken_over": True}, jobs=(failed,)))
    assert (run.outcome, decision.effect) == ("Failed", None)
    assert "STOPPED" in decision.status.conditions.get("Stalled").message


def test_the_first_write_says_reconciling() -> None:
    observed = scene(Step.INSPECT)
    decision, run = decided(replace(observed, status=replace(observed.status, run=None, observed_generation=-1)))
    assert run.step is Step.INSPECT
    assert decision.status.observed_generation == 1
    assert decision.status.conditions.is_true("Reconciling")
    assert decision.effect is None


@pytest.mark.parametrize("step", [Step.INSPECT, Step.CHECK])
def test_an_edit_before_the_stop_starts_over(step: Step) -> None:
    edited = making.spec({"migration": {"target": "0006"}})
    _, run = decided(replace(scene(step), live=edited, spec=edited, generation=2))
    assert (run.number, run.target) == (2, "0006")


@pytest.mark.parametrize("step", [Step.QUIESCE, Step.BACKUP, Step.MIGRATE, Step.RESUME, Step.PROBE])
def test_an_edit_after_the_stop_waits_for_the_end(step: Step) -> None:
    edited = making.spec({"migration": {"target": "0006"}})
    _, run = decided(replace(scene(step), live=edited, generation=2))
    assert run.number == 1


def over(outcome: str = "Succeeded", **more: Any) -> Observed:
    observed = scene(Step.DONE, run={"outcome": outcome}, workloads=(seen(),), has_finalizer=False)
    return replace(observed, **more)


def test_a_run_that_ended_writes_nothing() -> None:
    decision, _ = decided(over())
    assert (decision.status, decision.effect, decision.requeue) == (over().status, None, None)


def test_a_new_retry_token_starts_a_run_of_the_same_specification() -> None:
    again = making.spec({"retryToken": "2"})
    _, run = decided(over(live=again, spec=again))
    assert (run.number, run.retry_token) == (2, "2")


def test_an_ended_run_lets_the_resource_go() -> None:
    assert isinstance(decided(over(has_finalizer=True))[0].effect, RemoveFinalizer)


def test_an_application_left_stopped_is_explained_on_the_workload_before_the_resource_may_go() -> None:
    decision, _ = decided(over("Failed", has_finalizer=True, workloads=(seen(held=True),)))
    assert isinstance(decision.effect, ExplainWorkload)


DELETED = {"deleting_since": to_text(ago(5)), "has_finalizer": True}


@pytest.mark.parametrize(
    ("observed", "effect"),
    [
        (scene(Step.INSPECT, **DELETED), RemoveFinalizer),
        (scene(Step.QUIESCE, **DELETED), StartWorkload),
        (scene(Step.BACKUP, jobs=(job(Step.BACKUP, pod({"backup": RUNNING})),), **DELETED), DeleteJob),
        (scene(Step.BACKUP, **DELETED), StartWorkload),
        (scene(Step.MIGRATE, run=STARTED, jobs=(job(Step.MIGRATE, pod({"migrate": RUNNING})),), **DELETED), None),
        (scene(Step.RESUME, **DELETED), StartWorkload),
        (scene(Step.PUT_BACK, **DELETED), StartWorkload),
    ],
    ids=["inspect", "quiesce", "backup runs", "backup ended", "migration runs", "resume", "put back"],
)
def test_deletion_is_a_bounded_abort(observed: Observed, effect: type | None) -> None:
    assert type(decided(observed)[0].effect) is (effect or type(None))


def test_deletion_gives_a_migration_that_does_not_end_up_and_leaves_the_application_stopped() -> None:
    late = {"deleting_since": to_text(NOW - timedelta(seconds=100)), "has_finalizer": True}
    running = job(Step.MIGRATE, pod({"gate": ended(0, report()), "guard": RUNNING, "migrate": RUNNING}))
    assert isinstance(decided(scene(Step.MIGRATE, run=STARTED, jobs=(running,), **late))[0].effect, DeleteJob)
    assert isinstance(decided(scene(Step.MIGRATE, run=STARTED, **late))[0].effect, ExplainWorkload)
