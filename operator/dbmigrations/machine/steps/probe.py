"""Probe: the application must answer as the manifest expects, several times in a row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbmigrations.api.conditions import PROBED, TRUE, UNKNOWN
from dbmigrations.machine.decision import Decision, draft, step_deadline_passed
from dbmigrations.machine.effects import ProbeOnce
from dbmigrations.machine.ending import hold
from dbmigrations.machine.steps.resume import after_probe

if TYPE_CHECKING:
    from dbmigrations.machine.observed import Observed


def probe(o: Observed) -> Decision:
    """Ask until enough answers in a row are right, or the time is up."""
    if o.spec.probe is None:
        return _nothing(o, "the manifest names no probe; the Pods are ready")
    if all(seen.replicas == 0 for seen in o.workloads):
        return _nothing(o, "every workload was at 0 before the run and stays there")
    if o.probe.successes >= o.spec.probe_successes:
        words = f"{o.probe.successes} answers in a row were right: {o.probe.last}"
        return after_probe(o, draft(o).run(probed=True).set(PROBED, TRUE, "Healthy", words))
    if step_deadline_passed(o, o.spec.probe_timeout):
        message = (
            f"the database was migrated and the application started, but it did not answer as expected within "
            f"{o.spec.probe_timeout} s: {_last(o)}"
        )
        return hold(o, "ProbeFailed", message, "Look at the application's log; it runs on the new schema.")
    decision = draft(o).do(ProbeOnce())
    return Decision(decision.status, decision.effect, float(o.spec.probe_interval))


def _last(o: Observed) -> str:
    """The last answer; where it was right, the ones before it were not, or they came too slowly."""
    wanted = o.spec.probe_successes
    if not o.probe.successes:
        return o.probe.last
    return f"only {o.probe.successes} right answers in a row when the time was up, {wanted} are asked for"


def _nothing(o: Observed, why: str) -> Decision:
    return after_probe(o, draft(o).set(PROBED, UNKNOWN, "NothingToProbe", why))
