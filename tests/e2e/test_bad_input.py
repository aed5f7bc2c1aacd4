"""Every mistake of the table: its reason and message, where the application is, and a run that succeeds afterwards."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from tests.cluster.cluster import ROOT
from tests.e2e import invariants, manifests
from tests.e2e.app import condition
from tests.e2e.at_once import at_once
from tests.e2e.bad_input import BACK, ELSEWHERE, ROWS, STOPPED, UNTOUCHED, Case, Row
from tests.e2e.manifests import NEW_IMAGE, OLD_IMAGE

if TYPE_CHECKING:
    from tests.e2e.app import App, Json
    from tests.e2e.world import World


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id.replace(" ", "-"))
@at_once
def test_a_mistake_is_told_and_can_be_put_right(world: World, row: Row) -> None:
    with ExitStack() as servers:
        app = world.app(row.history, replicas=1)
        case = Case(app, servers)
        row.prepare(case)
        before = app.workload()["metadata"]["generation"]
        app.apply(app.manifest(spec=row.spec))
        stalled = app.wait_ended()
        is_told(stalled, row)
        is_where_it_must_be(app, row.application, before)
        shows_no_secret(app)

        if row.repair:
            row.repair(case)
        app.edit(patch={"spec": {**(row.fix or {}), "retryToken": "corrected"}})
        ended = app.wait_ended()
        assert condition(ended, "Ready")["status"] == "True", condition(ended, "Ready")["message"]
        assert app.revisions() == row.reached
        assert (app.replicas(), app.images()) == (1, {"app": NEW_IMAGE})
        assert condition(ended, "Probed")["status"] == "True"
        invariants.check(world, app, replicas={"deployment/app": 1})
        shows_no_secret(app)


def is_told(stalled: Json, row: Row) -> None:
    """Stalled and not Ready for the row's reason; the message says what happened, the application's state, what now."""
    found = condition(stalled, "Stalled")
    message = found["message"]
    assert (found["status"], found["reason"]) == ("True", row.reason), message
    assert condition(stalled, "Ready")["status"] == "False"
    assert condition(stalled, "Reconciling")["status"] == "False"
    missing = [word for word in (*row.words, row.application) if word.lower() not in message.lower()]
    assert not missing, f"{missing} not in: {message}"
    assert stalled["status"]["run"]["failure"]["hint"], "nothing says what to do now"
    assert len(message) < 1500, message


def is_where_it_must_be(app: App, application: str, generation: int) -> None:
    """The application is untouched, back as it was, stopped, or running the new version."""
    if application is UNTOUCHED:
        assert app.workload()["metadata"]["generation"] == generation
    elif application is STOPPED:
        assert app.stopped()
        assert app.images() == {"app": OLD_IMAGE}
    else:
        app.wait_ready()
        assert app.replicas() == 1
        assert app.images() == {"app": OLD_IMAGE if application is BACK else NEW_IMAGE}


def shows_no_secret(app: App) -> None:
    """Not even a part of the password: its end needs no escaping anywhere. Logs are looked through at the end."""
    parts = [app.password[-16:], manifests.S3_KEYS["AWS_SECRET_ACCESS_KEY"]]
    found = [app.get(), app.jobs(), app.pods(), app.world.list(f"/api/v1/namespaces/{app.namespace}/events")]
    text = json.dumps(found)
    assert not [part for part in parts if part in text], "a secret is shown"


@pytest.mark.parametrize("mistake", ELSEWHERE)
def test_a_mistake_that_is_tested_elsewhere_is_still_tested_there(mistake: str) -> None:
    file, words = ELSEWHERE[mistake]
    assert words in (ROOT / file).read_text()


@at_once
def test_an_application_at_zero_stays_there_and_it_is_said(world: World) -> None:
    app = world.app("linear", replicas=0)
    app.apply()
    ended = app.wait_ended()
    assert condition(ended, "Ready")["status"] == "True", condition(ended, "Ready")["message"]
    probed = condition(ended, "Probed")
    assert (probed["status"], probed["reason"]) == ("Unknown", "NothingToProbe")
    assert "at 0" in probed["message"]
    assert "at 0 as before: Deployment/app" in condition(ended, "Resumed")["message"]
    assert app.replicas() == 0
    assert app.images() == {"app": NEW_IMAGE}
    assert app.revisions() == {"linear3"}
    invariants.check(world, app, replicas={"deployment/app": 0})


LONG_NAME = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
"""253 characters, the longest name of a resource."""
LONG_LABEL = "w" * 63
"""The longest name of a Service, a container, and of a workload whose Pods' host names are not cut."""


@at_once
def test_names_at_the_length_limits_work(world: World) -> None:
    app = world.app("linear", replicas=0)
    reference = {"secretKeyRef": {"name": "database", "key": "url"}}
    variables: list[Json] = [{"name": "DATABASE_URL", "valueFrom": reference}]
    long = manifests.workload("Deployment", app.namespace, OLD_IMAGE, 1, variables, name=LONG_LABEL)
    long["spec"]["template"]["spec"]["containers"][0]["name"] = LONG_LABEL
    world.apply(long, manifests.service(app.namespace, LONG_LABEL))
    app.wait_ready(LONG_LABEL)
    spec = {
        "migration": {"podFrom": {"name": LONG_LABEL, "container": LONG_LABEL}},
        "workloads": [{"kind": "Deployment", "name": LONG_LABEL}],
        "probe": {"http": {"service": LONG_LABEL}},
    }
    app.apply(app.manifest(metadata={"name": LONG_NAME}, spec=spec))
    ended = app.wait_ended(LONG_NAME)
    assert condition(ended, "Ready")["status"] == "True", condition(ended, "Ready")["message"]
    assert app.images(LONG_LABEL) == {LONG_LABEL: NEW_IMAGE}
    assert {len(job["metadata"]["name"]) for job in app.jobs()} == {63}
    app.wait_told("Normal", "Ready", LONG_NAME)
