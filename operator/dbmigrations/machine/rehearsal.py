"""What a rehearsal's report means: the plan that the real run is held to, or why there will be no real run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from dbmigrations.api.run import Failure, Plan, Step
from dbmigrations.machine.versions import at_target, for_people, in_full

if TYPE_CHECKING:
    from dbmigrations.api.run import Run
    from dbmigrations.machine.observed import Observed
    from dbmigrations.machine.pods import ContainerSeen
    from dbmigrations.machine.results import Result

Json = dict[str, Any]

RETRY = "Then apply the corrected image or manifest, or set a new spec.retryToken."
COMMITS = {
    "Once": "in one transaction: a failure leaves the database as it was",
    "PerRevision": "after each revision: a failure in the middle leaves it between two versions",
    "Several": "several times: a failure in the middle leaves it half done",
    "Autocommit": "in part outside of transactions: a failure in the middle leaves it half done",
    "Nothing": "nothing",
}


def plan_of(o: Observed, told: Result, pod: str) -> Plan:
    """Return the plan. Its hash is over all that it depends on."""
    facts, run = told.facts, o.run
    revisions = tuple(sorted(facts.get("revisions", ())))
    text = facts.get("plan", {}).get("sha256", "")
    depends = [run.image, run.target, run.planned and [run.planned.revisions, run.planned.schema], revisions, text]
    return Plan(
        hash=hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:16],
        revisions=revisions,
        statements=int(facts.get("statements", 0)),
        transactions=int(facts.get("transactions", 0)),
        commits=str(facts.get("commits", "")),
        schema=str(facts.get("schema", "")),
        schema_changed=bool(facts.get("schemaChanged")),
        pod=pod,
    )


def why_failed(o: Observed, told: Result, main: ContainerSeen, pod: str) -> Failure | None:
    """Return why the real migration must not be tried; None where the rehearsal succeeded."""
    logs = f"kubectl logs -n {o.resource.namespace} {pod} -c {main.name}"
    if not told.ok:
        return _failure(told.reason, f"the rehearsal failed: {told.message}", told.hint or f"Read {logs}.")
    if main.exit_code:
        return _ended_badly(told.facts, main, logs)
    if not told.facts.get("versionTableRead"):
        return _elsewhere(o, told.facts, logs)
    revisions = tuple(told.facts.get("revisions", ()))
    if o.spec.named_target and not at_target(o.spec, revisions):
        message = (
            f"the command ended with 0 on the copy, but the version there is {in_full(revisions)}, not "
            f"{o.spec.target}: the target is older than the database (that would be a rollback), or the command "
            f"ignores it"
        )
        return _failure("TargetNotReached", message, f"Correct migration.target or migration.command. Read {logs}.")
    return None


def nothing_to_do(run: Run) -> bool:
    """Tell whether the rehearsal read the version table and changed nothing at all."""
    plan, planned = run.plan, run.planned
    if plan is None or planned is None:
        return False
    return plan.statements == 0 and not plan.schema_changed and set(plan.revisions) == set(planned.revisions)


def in_words(run: Run) -> str:
    """Say in one sentence what the rehearsal saw."""
    plan = run.plan or Plan("")
    planned = run.planned.revisions if run.planned else ()
    words = (
        f"carried out on a copy of the schema: {for_people(planned)} -> {for_people(plan.revisions)}, "
        f"{plan.statements} statements, committed {COMMITS.get(plan.commits, plan.commits)}"
    )
    if plan.config_maps:
        words += f"; plan {plan.hash} in ConfigMap {', '.join(plan.config_maps)}"
    return words


def _ended_badly(facts: Json, main: ContainerSeen, logs: str) -> Failure:
    error = facts.get("error")
    if main.reason == "OOMKilled":
        message = "the command was killed in the rehearsal: out of memory"
        return _failure("OOMKilled", message, f"Raise migration.resources. {RETRY}")
    if not facts.get("connected"):
        message = (
            f"the command ended with {main.exit_code} in the rehearsal before it reached the copy of the database: the "
            f"image, its command or its settings are wrong, or its driver is missing"
        )
        hint = f"Read {logs}. A variable from a Secret has a placeholder there: give it a value in spec.rehearsal.env."
        return _failure("RehearsalFailed", message, f"{hint} {RETRY}")
    if not error:
        message = f"the command ended with {main.exit_code} in the rehearsal, without an error of the database"
        return _failure("RehearsalFailed", message, f"Read {logs}. {RETRY}")
    said = f"{error.get('message', '')} (SQLSTATE {error.get('sqlstate', '')})"
    message = f"the migration fails on a copy of the schema: {said}, in: {error.get('statement', '')}"
    reason, hint = _advice(str(error.get("sqlstate", "")), str(error.get("message", "")))
    return _failure(reason, message, f"{hint} Read {logs}. {RETRY}")


def _advice(state: str, said: str) -> tuple[str, str]:
    if "extension" in said and "not available" in said:
        return "ExtensionMissing", "Name an image of PostgreSQL that has it in spec.rehearsal.image."
    if state == "42501":
        return "PrivilegeMissing", "Grant it to the migration's role, as it would fail in the same way on the database."
    return "RehearsalFailed", "If it needs rows that a copy of the schema lacks, name their tables in rehearsal.dataOf."


def _elsewhere(o: Observed, facts: Json, logs: str) -> Failure:
    if facts.get("connected"):
        how = f"it connected, but never looked at {o.spec.version_table}"
        hint = "Correct migration.versionTable or migration.command."
    else:
        how = "it never connected to the database"
        hint = "Correct migration.connectionEnv: the command must find its database by these variables."
    message = f"the command ended with 0 in the rehearsal, but {how}: it migrates something else"
    return _failure("NotThisDatabase", message, f"{hint} Read {logs}. {RETRY}")


def _failure(reason: str, message: str, hint: str) -> Failure:
    return Failure(Step.REHEARSE, reason, message, hint)
