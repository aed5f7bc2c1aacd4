"""What comes before the step: deletion, hand-over, edits, strays; and that no decision runs in a circle."""

from __future__ import annotations

from dataclasses import replace

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
from tests.unit.machine.test_steps import AT_TARGET, DELETED, INSPECTED, ROWS, STARTED, Row, over

from dbmigrations.api.clock import to_micro, to_text
from dbmigrations.api.names import ORIGINAL
from dbmigrations.api.run import Attempt, Failure, Step
from dbmigrations.machine.decide import decide
from dbmigrations.machine.effects import CleanUp, DeleteJob, RemoveFinalizer, StartWorkload, StopWorkload
from dbmigrations.machine.observed import Problem

FORBIDDEN = Problem(403, "Forbidden", "admission webhook denied the request")
AWAY = Problem(0, "NoAnswer", "TimeoutError")
OWNED = [{"uid": making.UID}]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_no_decision_runs_in_a_circle(row: Row) -> None:
    """With nothing new to see, the same observation leads to an effect or to rest, and rest writes nothing."""
    observed = row.observed
    for _ in range(6):
        decision = decide(observed)
        if decision.effect is not None:
            return
        if decision.status == observed.status:
            assert decision.requeue is None or decision.requeue > 0, "looked at again at once, for nothing"
            return
        observed = replace(observed, status=decision.status)
    raise AssertionError(f"still writing after six passes: {observed.status.phase}")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_every_decision_says_what_goes_on_or_how_it_ended(row: Row) -> None:
    decision, run = decided(row.observed)
    ready, reconciling = (decision.status.conditions.get(kind) for kind in ("Ready", "Reconciling"))
    if decision.status != row.observed.status and (run.step is not row.observed.run.step or run.outcome):
        assert ready.reason
        assert ready.message
        assert reconciling.status == ("False" if run.outcome else "True")
        assert len(ready.message) < 32768, "the API server takes no longer message"


def test_a_resource_that_goes_and_that_nothing_of_ours_holds_is_left_alone() -> None:
    observed = scene(Step.INSPECT, deleting_since=to_text(ago(5)))
    assert decide(observed).effect is None
    assert decide(observed).status == observed.status


def test_an_ended_runs_jobs_are_handed_over_then_the_finalizer_goes() -> None:
    done = job(Step.BACKUP, pod({"backup": ended(0)}), finished=True)
    assert isinstance(decide(over(jobs=(done,), has_finalizer=True)).effect, CleanUp)
    owned = job(Step.BACKUP, pod({"backup": ended(0)}), finished=True, ownerReferences=OWNED)
    assert isinstance(decide(over(jobs=(owned,), has_finalizer=True)).effect, RemoveFinalizer)
    assert decide(over(jobs=(owned,))).effect is None


def test_an_ended_run_waits_for_pods_that_end_but_not_for_ever() -> None:
    ending = job(Step.BACKUP, pod({"backup": RUNNING}), deletionTimestamp=to_text(ago(5)))
    fresh = over(jobs=(ending,), has_finalizer=True)
    fresh = replace(fresh, status=replace(fresh.status, run=replace(fresh.run, finished_at=to_micro(ago(5)))))
    assert decide(fresh).effect is None
    old = replace(fresh, status=replace(fresh.status, run=replace(fresh.run, finished_at=to_micro(ago(500)))))
    assert isinstance(decide(old).effect, RemoveFinalizer)


def test_an_edit_that_means_the_same_is_acknowledged_once() -> None:
    observed = over(generation=7)
    decision = decide(observed)
    assert decision.status.observed_generation == 7
    assert {c.generation for c in decision.status.conditions.items} <= {7}
    assert decide(replace(observed, status=decision.status)).status == decision.status


@pytest.mark.parametrize("step", [Step.INSPECT, Step.CHECK, Step.QUIESCE])
def test_what_an_earlier_run_left_working_is_ended_first(step: Step) -> None:
    stray = job(Step.BACKUP, pod({"backup": RUNNING}))
    stray.raw["metadata"]["labels"]["dbmigrations.dev/run"] = "0-earlier"
    decision = decide(scene(step, jobs=(stray,)))
    assert isinstance(decision.effect, DeleteJob)
    stray.raw["metadata"]["deletionTimestamp"] = to_text(NOW)
    waiting = decide(scene(step, jobs=(stray,)))
    assert waiting.effect is None
    assert "earlier run" in waiting.status.conditions.get("Ready").message


def test_an_edited_template_starts_over_before_the_stop() -> None:
    _, run = decided(scene(Step.CHECK, run={"template_hash": "other"}))
    assert (run.number, run.step) == (2, Step.INSPECT)


def test_a_note_without_a_zero_is_a_fight_and_ends_after_a_few_rounds() -> None:
    up = seen(replicas=2)
    assert up.raw is not None
    up.raw["metadata"]["annotations"] = {ORIGINAL: '{"replicas": 3}'}
    up.raw["metadata"]["managedFields"] = [{"manager": "hpa", "fieldsV1": {"f:spec": {"f:replicas": {}}}}]
    decision, run = decided(scene(Step.QUIESCE, workloads=(up,)))
    assert isinstance(decision.effect, StopWorkload)
    assert decision.effect.original.replicas == 3
    assert run.contested == 1
    assert "hpa" in decision.notes[0].message
    _, run = decided(scene(Step.QUIESCE, workloads=(up,), run={"contested": 3}))
    assert run.step is Step.PUT_BACK
    assert run.failure is not None
    assert run.failure.reason == "ScaleDownContested"


def test_a_stop_that_is_forbidden_ends_the_run_and_one_without_answer_is_tried_again() -> None:
    _, run = decided(scene(Step.QUIESCE, workloads=(seen(),), problem=FORBIDDEN))
    assert run.step is Step.PUT_BACK
    assert run.failure is not None
    assert (run.failure.reason, "denied" in run.failure.message) == ("StopRefused", True)
    decision, run = decided(scene(Step.QUIESCE, workloads=(seen(),), problem=AWAY))
    assert (run.step, decision.effect) == (Step.QUIESCE, None)


@pytest.mark.parametrize("step", [Step.RESUME, Step.PUT_BACK])
def test_a_start_that_is_refused_is_said_tried_for_long_and_told_at_the_end(step: Step) -> None:
    decision, run = decided(scene(step, problem=FORBIDDEN))
    assert (run.step, decision.effect) == (step, None)
    assert "denied" in decision.status.conditions.get("Ready").message
    assert isinstance(decide(scene(step)).effect, StartWorkload)
    late = {"step_started_at": to_micro(ago(700)), "after": AFTER, "failure": Failure("Backup", "DumpFailed", "killed")}
    decision, run = decided(scene(step, problem=FORBIDDEN, run=late))
    assert run.outcome == "Failed"
    message = decision.status.conditions.get("Stalled").message
    assert "denied" in message
    assert "STOPPED" in message
    if step is Step.PUT_BACK:
        assert "killed" in message, "why it failed in the first place must not get lost"


GIVEN_UP = {"failure": Failure("Migrate", "ImagePullFailed", "no such image", "push it"), "before": BEFORE}


def rechecked(facts: str, **run: object) -> tuple[Step, str]:
    observed = scene(Step.RECHECK, run=dict(run), jobs=(job(Step.RECHECK, pod({"inspect": ended(0, facts)})),))
    decision, found = decided(observed)
    reason = decision.status.conditions.get("Ready").reason if found.outcome else ""
    return found.step, found.failure.reason if found.failure and not reason else reason


def test_a_migration_that_was_given_up_and_did_not_run_fails_for_its_first_reason() -> None:
    assert rechecked(INSPECTED, **GIVEN_UP) == (Step.PUT_BACK, "ImagePullFailed")


def test_a_migration_that_was_given_up_and_ran_after_all_counts() -> None:
    assert rechecked(AT_TARGET, **GIVEN_UP) == (Step.RESUME, "")


def test_a_migration_given_up_before_its_gate_is_compared_with_what_inspect_saw() -> None:
    assert rechecked(INSPECTED, **{**GIVEN_UP, "before": None}) == (Step.PUT_BACK, "ImagePullFailed")
    other = report(facts={**print_of(replace(BEFORE, schema="other"))})
    assert rechecked(other, **{**GIVEN_UP, "before": None}) == (Step.DONE, "MigrationFailedHalfway")


def test_a_command_seen_running_after_it_was_given_up_is_followed_again() -> None:
    states = {"gate": ended(0, report(facts=print_of(BEFORE))), "guard": RUNNING, "migrate": RUNNING}
    running = job(Step.MIGRATE, pod(states))
    attempts = {"Migrate": Attempt(1, uid="uid-Migrate-1")}
    _, run = decided(scene(Step.RECHECK, run={**GIVEN_UP, "attempts": attempts}, jobs=(running,)))
    assert (run.step, run.failure) == (Step.MIGRATE, None)


def test_what_the_kubelet_does_not_know_is_neither_a_run_nor_a_refusal() -> None:
    unknown = {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown"}}
    lost = pod({"gate": ended(0, report(facts=print_of(BEFORE))), "guard": unknown, "migrate": unknown}, phase="Failed")
    _, run = decided(scene(Step.MIGRATE, jobs=(job(Step.MIGRATE, lost, finished=True),)))
    assert (run.step, run.before, run.started) == (Step.RECHECK, BEFORE, False)


def test_another_attempt_after_a_lock_timeout_forgets_how_the_last_one_ended() -> None:
    states = {
        "gate": ended(0, report(facts=print_of(BEFORE))),
        "guard": ended(0, report(facts={**print_of(BEFORE), "lockWait": {"seconds": 6, "pid": 7}})),
        "migrate": ended(1),
    }
    tried = job(Step.MIGRATE, pod(states, phase="Failed"), finished=True)
    _, run = decided(scene(Step.MIGRATE, run=STARTED, jobs=(tried,)))
    assert run.attempts["Migrate"].number == 2
    assert (run.exit_code, run.started, run.before) == (None, False, None)


def test_addresses_of_pods_are_written_before_anything_can_go_wrong_with_them() -> None:
    first = job(Step.MIGRATE, pod({"gate": WAITING}, podIP="10.1.0.7"))
    _, run = decided(scene(Step.MIGRATE, jobs=(first,)))
    assert run.attempts["Migrate"].addresses == ("10.1.0.7",)


@pytest.mark.parametrize("step", [Step.QUIESCE, Step.BACKUP, Step.RESUME])
def test_a_deletion_that_may_not_start_the_application_goes_on_after_a_while(step: Step) -> None:
    assert isinstance(decide(scene(step, problem=FORBIDDEN, **DELETED)).effect, StartWorkload)
    late = {**DELETED, "deleting_since": to_text(ago(130))}
    assert isinstance(decide(scene(step, problem=FORBIDDEN, **late)).effect, RemoveFinalizer)


def test_a_migration_that_was_started_late_keeps_the_old_application_from_coming_back() -> None:
    states = {"gate": ended(0, report(facts=print_of(BEFORE))), "guard": RUNNING, "migrate": RUNNING}
    late = {"attempts": {"Migrate": Attempt(1)}, "failure": Failure("Migrate", "JobRefused", "no answer")}
    _, run = decided(scene(Step.PUT_BACK, run=late, jobs=(job(Step.MIGRATE, pod(states)),)))
    assert run.step is Step.RECHECK
    assert run.failure is not None


def test_an_earlier_attempts_command_says_nothing_of_the_one_given_up() -> None:
    tried = job(Step.MIGRATE, pod({"migrate": ended(1)}, phase="Failed"), finished=True)
    given_up = {**GIVEN_UP, "attempts": {"Migrate": Attempt(2, uid="uid-Migrate-2")}}
    _, run = decided(scene(Step.RECHECK, run=given_up, jobs=(tried,)))
    assert run.step is Step.RECHECK
