"""Rehearse and Compare as tables: what is seen of the Pod and of the real database, and what follows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from tests.unit.machine.scene import BEFORE, RUN, RUNNING, WAITING, decided, ended, job, pod, print_of, report, scene

from dbmigrations.api.run import Attempt, Failure, Inspection, Plan, Step
from dbmigrations.machine.effects import CreateJob, KeepPlan
from dbmigrations.machine.observed import Problem, Settings

if TYPE_CHECKING:
    from dbmigrations.machine.observed import JobSeen, Observed

TOLD: dict[str, Any] = {
    "revisions": ["0005"],
    "versionTableRead": True,
    "connected": True,
    "statements": 3,
    "transactions": 1,
    "commits": "Once",
    "schemaChanged": True,
    "error": None,
    "plan": {"sha256": "ab"},
}
PLAN = Plan("hash", ("0005",), 3, 1, "Once", "c5", True, "pod-1", ("plan-1",))
REQUIRED = {"rehearsal": {"mode": "Required"}}
HEADS = {**REQUIRED, "migration": {"target": "heads"}}
SEEN = Inspection("17.6", 1000, "shop", "identity", server_major=17)


def of_pod(code: int = 0, told: dict[str, Any] | None = None, *, result: str = "", **more: Any) -> JobSeen:
    """A rehearsal whose Pod ended; `told` changes the report's facts."""
    facts = {**TOLD, **(told or {})}
    states = {
        "scratch": ended(143),
        "load": ended(0, report(facts={})),
        "report": ended(0, result or report(facts=facts)),
        "migrate": ended(code),
    }
    return job(Step.REHEARSE, pod(states | more.pop("states", {}), phase="Failed" if code else "Succeeded", **more))


def rehearsing(*jobs: JobSeen, changes: dict[str, Any] | None = None, **more: Any) -> Observed:
    run = {"attempts": {"Rehearse": Attempt(1, uid="uid-Rehearse-1")}, "down_since": "", "inspection": SEEN}
    return scene(
        Step.REHEARSE,
        changes=changes or REQUIRED,
        run={**run, **more.pop("run", {})},
        jobs=jobs,
        has_finalizer=False,
        **{"settings": Settings(scratch_majors=(17,)), **more},
    )


@dataclass(frozen=True)
class Row:
    """One situation; `reason` is the failure that is noted or told."""

    id: str
    observed: Observed
    step: Step
    reason: str = ""
    says: tuple[str, ...] = ()


ERROR = {"sqlstate": "42P01", "message": 'relation "a" does not exist', "statement": "ALTER TABLE a ADD b int"}
DENIED = {"sqlstate": "42501", "message": "permission denied", "statement": "CREATE ROLE x"}
NO_EXTENSION = {"sqlstate": "0A000", "message": 'extension "postgis" is not available', "statement": "CREATE EXTENSION"}

PULL: dict[str, Any] = {"waiting": {"reason": "ErrImagePull", "message": "not found"}}

ROWS = [
    Row("the scratch server's image cannot be pulled",
        rehearsing(job(Step.REHEARSE, pod({"scratch": PULL, "load": WAITING, "migrate": WAITING}, seconds=60))),
        Step.DONE, "ImagePullFailed", ("container scratch", "scratch.images")),
    Row("the application's image cannot be pulled",
        rehearsing(job(Step.REHEARSE, pod({"scratch": RUNNING, "load": ended(0), "migrate": PULL}, seconds=60))),
        Step.DONE, "ImagePullFailed", ("container migrate", "Correct the image's name")),
    Row("a rehearsal that went well leads to the comparison", rehearsing(of_pod()), Step.COMPARE),
    Row("a Pod that works is waited for", rehearsing(job(Step.REHEARSE, pod({"scratch": RUNNING}))), Step.REHEARSE),
    Row("no image for the server's version", rehearsing(settings=Settings()), Step.DONE, "ScratchImageMissing",
        ("PostgreSQL 17", "scratch.images")),
    Row("the command fails with the database's error", rehearsing(of_pod(1, {"error": ERROR})), Step.COMPARE,
        "RehearsalFailed", ('relation "a" does not exist', "42P01", "ALTER TABLE a", "kubectl logs -n shop pod-1")),
    Row("a missing privilege", rehearsing(of_pod(1, {"error": DENIED})), Step.COMPARE, "PrivilegeMissing", ("Grant",)),
    Row("a missing extension", rehearsing(of_pod(1, {"error": NO_EXTENSION})), Step.COMPARE, "ExtensionMissing",
        ("spec.rehearsal.image",)),
    Row("the command never connected and failed", rehearsing(of_pod(1, {"connected": False})), Step.COMPARE,
        "RehearsalFailed", ("before it reached", "spec.rehearsal.env")),
    Row("the command needs too much memory", rehearsing(of_pod(137, states={"migrate": ended(137, reason="OOMKilled")})),
        Step.COMPARE, "OOMKilled", ("migration.resources",)),
    Row("the command fails without an error of the database", rehearsing(of_pod(2)), Step.COMPARE, "RehearsalFailed",
        ("ended with 2",)),
    Row("all is well, elsewhere", rehearsing(of_pod(0, {"versionTableRead": False, "connected": False})), Step.COMPARE,
        "NotThisDatabase", ("never connected", "connectionEnv")),
    Row("another version table", rehearsing(of_pod(0, {"versionTableRead": False})), Step.COMPARE, "NotThisDatabase",
        ("alembic_version", "migration.versionTable")),
    Row("the named target is not reached", rehearsing(of_pod(0, {"revisions": ["0003"]})), Step.COMPARE,
        "TargetNotReached", ("0003", "0005", "rollback")),
    Row("it takes too long", rehearsing(of_pod(143, result=report(False, reason="RehearsalTimeout", message="600 s"))),
        Step.COMPARE, "RehearsalTimeout", ("600 s",)),
    Row("it takes too long, without a report",
        rehearsing(of_pod(143, result="…", reason="DeadlineExceeded")), Step.COMPARE, "RehearsalTimeout"),
    Row("it needs too much space",
        rehearsing(of_pod(137, result="…", reason="Evicted", message='Usage of EmptyDir volume "dbm-scratch" exceeds')),
        Step.COMPARE, "RehearsalTooLarge", ("scratch.size",)),
    Row("the copy cannot be loaded",
        rehearsing(of_pod(states={"load": ended(1, report(False, reason="ExtensionMissing", message="no postgis")),
                                  "report": WAITING, "migrate": WAITING}, )), Step.DONE, "ExtensionMissing",
        ("could not be copied", "no postgis")),
    Row("what may pass is tried again",
        rehearsing(of_pod(states={"load": ended(1, report(False, reason="VersionMoved", message="x", transient=True)),
                                  "report": WAITING, "migrate": WAITING})), Step.REHEARSE),
    Row("the command cannot be started",
        rehearsing(of_pod(states={"migrate": ended(128, reason="StartError")})), Step.DONE, "CommandNotFound",
        ("migration.command",)),
    Row("a Pod that was drained is tried again", rehearsing(of_pod(143, reason="Terminated")), Step.REHEARSE),
    Row("a Pod whose time was over, with a report", rehearsing(of_pod(143, reason="DeadlineExceeded")), Step.COMPARE,
        "RehearsalTimeout"),
    Row("an unreadable report is tried again", rehearsing(of_pod(result="{")), Step.REHEARSE),
    Row("three unreadable reports are enough",
        rehearsing(job(Step.REHEARSE, pod({"report": ended(0, "{"), "migrate": ended(0)}, phase="Failed"), attempt=3),
                   run={"attempts": {"Rehearse": Attempt(3, uid="uid-Rehearse-3")}}), Step.COMPARE, "RehearsalLost"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_a_rehearsal_is_judged(row: Row) -> None:
    _, run = decided(row.observed)
    failure = run.failure or Failure("", "", "")
    assert (run.step, failure.reason) == (row.step, row.reason), failure
    for word in row.says:
        assert word in f"{failure.message} {failure.hint}"


def comparing(*jobs: JobSeen, changes: dict[str, Any] | None = None, **more: Any) -> Observed:
    attempts = {"Compare": Attempt(1, uid="uid-Compare-1")} if jobs else {}
    run = {"attempts": attempts, "down_since": "", "plan": PLAN, "workloads": (), **more.pop("run", {})}
    return scene(Step.COMPARE, changes=changes or REQUIRED, run=run, jobs=jobs, has_finalizer=False, **more)


def read(fingerprint: Any = BEFORE, **more: Any) -> JobSeen:
    said = report(facts={"serverVersion": "17.6", **print_of(fingerprint)}, **more)
    return job(Step.COMPARE, pod({"inspect": ended(0 if more.get("ok", True) else 1, said)}))


def test_the_plan_is_kept_before_anything_else() -> None:
    unkept = {"plan": replace(PLAN, config_maps=())}
    assert decided(comparing(run=unkept))[0].effect == KeepPlan("pod-1")
    _, run = decided(comparing(run=unkept, plan_kept=("a", "b")))
    assert run.plan is not None
    assert run.plan.config_maps == ("a", "b")
    _, run = decided(comparing(run=unkept, problem=Problem(403, "Forbidden", "configmaps is forbidden")))
    assert run.failure is not None
    assert run.failure.reason == "PlanNotKept"


def test_a_rehearsal_that_was_lost_is_followed_by_the_look_at_the_real_database_too() -> None:
    lost = Failure("Rehearse", "RehearsalLost", "three were lost")
    _, run = decided(comparing(read(), run={"plan": None, "failure": lost}))
    assert (run.outcome, run.failure) == ("Failed", lost)
    touched = replace(BEFORE, revisions=("0005",))
    _, run = decided(comparing(read(touched), run={"plan": None, "failure": lost}))
    assert run.failure is not None
    assert run.failure.reason == "RealDatabaseTouched"


def test_the_real_database_is_read_again_and_the_run_goes_on() -> None:
    assert isinstance(decided(comparing())[0].effect, CreateJob)
    decision, run = decided(comparing(read()))
    assert run.step is Step.CHECK
    assert decision.status.conditions.is_true("Rehearsed")
    assert "plan-1" in decision.status.conditions.get("Rehearsed").message


@pytest.mark.parametrize(
    ("fingerprint", "what"),
    [(replace(BEFORE, revisions=("0005",)), "the version"), (replace(BEFORE, schema="other"), "the schema")],
)
@pytest.mark.parametrize("failed", [None, Failure("Rehearse", "RehearsalFailed", "it failed")])
def test_a_real_database_that_was_touched_is_an_alarm(fingerprint: Any, what: str, failed: Failure | None) -> None:
    decision, run = decided(comparing(read(fingerprint), run={"failure": failed}))
    assert run.failure is not None
    assert run.failure.reason == "RealDatabaseTouched"
    assert what in run.failure.message
    assert decision.status.conditions.is_true("Stalled")


def test_rows_that_the_application_writes_meanwhile_are_no_alarm() -> None:
    _, run = decided(comparing(read(replace(BEFORE, changes="more", files="else", resets="x"))))
    assert run.step is Step.CHECK


def test_a_failed_rehearsal_ends_the_run_with_its_own_reason() -> None:
    failure = Failure("Rehearse", "NotThisDatabase", "it migrates something else", "Correct it.")
    decision, run = decided(comparing(read(), run={"failure": failure}))
    assert (run.outcome, run.failure) == ("Failed", failure)
    assert decision.status.conditions.get("Rehearsed").reason == "NotThisDatabase"
    assert "The application was not touched" in decision.status.conditions.get("Stalled").message


def test_heads_that_are_there_are_ready_at_once() -> None:
    there = replace(PLAN, revisions=BEFORE.revisions, statements=0, schema_changed=False)
    decision, run = decided(comparing(read(), changes=HEADS, run={"plan": there}))
    assert run.outcome == "Succeeded"
    assert decision.status.conditions.get("Ready").reason == "AlreadyAtTarget"


def test_a_command_that_changes_something_at_the_same_version_is_no_nothing() -> None:
    changing = replace(PLAN, revisions=BEFORE.revisions)
    assert decided(comparing(read(), changes=HEADS, run={"plan": changing}))[1].step is Step.CHECK


def test_a_dry_run_ends_before_anything_is_touched() -> None:
    """At the gate, so that it does not matter what was, or was not, done before."""
    for changes in ({**REQUIRED, "dryRun": True}, {"dryRun": True}):
        decision, run = decided(scene(Step.CHECK, changes=changes, has_finalizer=False, dry_run_of=RUN))
        assert (run.outcome, decision.status.phase, decision.effect) == ("Planned", "Planned", None)
        assert decision.status.conditions.is_true("Suspended")


def test_a_comparison_that_cannot_be_made_stops_the_run() -> None:
    refused = job(Step.COMPARE, pod({"inspect": ended(1, report(False, reason="AuthenticationFailed", message="no"))}))
    _, run = decided(comparing(refused))
    assert run.failure is not None
    assert run.failure.reason == "AuthenticationFailed"
