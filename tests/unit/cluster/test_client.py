"""The port over the official client, against a server that answers as the API server does."""

from __future__ import annotations

import asyncio
import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration

from dbmigrations.cluster import client as module
from dbmigrations.cluster.client import KubernetesCluster
from dbmigrations.cluster.port import ApiError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Json = dict[str, Any]


def refusal(status: int, reason: str, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "reason": reason, "message": message}, status=status)


@dataclass
class Server:
    """What was asked, and what is answered next (the default is an empty object)."""

    cluster: KubernetesCluster
    asked: list[tuple[str, str, str, Any, Json]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=list)


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    release = asyncio.Event()

    async def handle(request: web.Request) -> web.StreamResponse:
        text = await request.text()
        kind = request.headers.get("Content-Type", "")
        found.asked.append(
            (request.method, request.path, kind, json.loads(text) if text else None, dict(request.query))
        )
        answer = found.answers.pop(0) if found.answers else web.json_response({})
        if answer == "hang":
            await release.wait()
            return web.json_response({})
        if answer == "hang up":
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        assert isinstance(answer, web.Response)
        return answer

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        await web.SockSite(runner, free).start()
        configuration = Configuration(host=f"http://127.0.0.1:{free.getsockname()[1]}")
        async with ApiClient(configuration) as api:
            found = Server(KubernetesCluster(api))
            yield found
        release.set()
        await runner.cleanup()


async def test_an_object_is_read_by_its_path(server: Server) -> None:
    server.answers = [web.json_response({"kind": "Job"})]
    assert await server.cluster.get("Job", "shop", "x") == {"kind": "Job"}
    assert server.asked[0][:2] == ("GET", "/apis/batch/v1/namespaces/shop/jobs/x")


async def test_what_is_not_there_is_none_and_what_is_forbidden_an_error(server: Server) -> None:
    server.answers = [refusal(404, "NotFound", "no such job"), refusal(403, "Forbidden", "no right")]
    assert await server.cluster.get("Job", "shop", "x") is None
    with pytest.raises(ApiError, match="403 Forbidden: no right"):
        await server.cluster.get("Job", "shop", "x")


async def test_a_list_is_read_to_its_last_page_with_its_selectors(server: Server) -> None:
    server.answers = [
        web.json_response({"items": [{"a": 1}], "metadata": {"continue": "token/+="}}),
        web.json_response({"items": [{"a": 2}], "metadata": {}}),
    ]
    found = await server.cluster.list("Pod", "shop", labels="a=b,c in (d,e)", fields="x.y=z,type=Warning")
    assert found == [{"a": 1}, {"a": 2}]
    first, second = (asked[4] for asked in server.asked)
    assert first["labelSelector"] == "a=b,c in (d,e)"
    assert first["fieldSelector"] == "x.y=z,type=Warning"
    assert "continue" not in first
    assert second["continue"] == "token/+="
    assert second["labelSelector"] == first["labelSelector"]


async def test_a_dry_run_says_so(server: Server) -> None:
    await server.cluster.create("Pod", "shop", {"a": 1}, dry_run=True)
    await server.cluster.create("Pod", "shop", {"a": 1})
    assert [asked[4] for asked in server.asked] == [{"dryRun": "All"}, {}]
    assert server.asked[0][:4] == ("POST", "/api/v1/namespaces/shop/pods", "application/json", {"a": 1})


@pytest.mark.parametrize(
    ("kind", "path", "form"),
    [
        (
            "DatabaseMigration",
            "/apis/dbmigrations.dev/v1alpha1/namespaces/shop/databasemigrations/x",
            "application/merge-patch+json",
        ),
        (
            "Deployment",
            "/apis/apps/v1/namespaces/shop/deployments/x",
            "application/strategic-merge-patch+json",
        ),
    ],
)
async def test_a_patch_has_the_form_of_its_kind_and_keeps_null(server: Server, kind: str, path: str, form: str) -> None:
    body = {"metadata": {"annotations": {"a": None}}, "spec": {"replicas": 0}}
    await server.cluster.patch(kind, "shop", "x", body, manager="dbmigrations-stop")
    method, its_path, its_form, its_body, query = server.asked[0]
    assert (method, its_path, its_form) == ("PATCH", path, form)
    assert its_body == body, "null removes: it must not get lost on the way"
    assert query == {"fieldManager": "dbmigrations-stop"}


async def test_a_status_is_replaced_on_its_own_path(server: Server) -> None:
    body = {"metadata": {"namespace": "shop", "name": "x", "resourceVersion": "7"}, "status": {"phase": "Ready"}}
    await server.cluster.put_status(body)
    assert server.asked[0][:2] == (
        "PUT",
        "/apis/dbmigrations.dev/v1alpha1/namespaces/shop/databasemigrations/x/status",
    )
    assert server.asked[0][3] == body


async def test_a_deletion_is_of_that_object_only_and_one_that_is_gone_is_no_error(server: Server) -> None:
    server.answers = [web.json_response({}), refusal(404, "NotFound", ""), refusal(409, "Conflict", "uid")]
    for _ in range(3):
        await server.cluster.delete("Job", "shop", "x", uid="u-1")
    assert server.asked[0][3]["preconditions"] == {"uid": "u-1"}
    server.answers = [refusal(403, "Forbidden", "no right")]
    with pytest.raises(ApiError, match="Forbidden"):
        await server.cluster.delete("Job", "shop", "x", uid="u-1")


@pytest.mark.parametrize(
    ("status", "reason"),
    [(409, "Conflict"), (409, "AlreadyExists"), (422, "Invalid"), (429, "TooManyRequests"), (500, "")],
)
async def test_the_api_servers_own_words_are_kept(server: Server, status: int, reason: str) -> None:
    server.answers = [refusal(status, reason, "its own words")]
    with pytest.raises(ApiError) as caught:
        await server.cluster.create("Job", "shop", {})
    assert (caught.value.status, caught.value.message) == (status, "its own words")
    assert caught.value.reason == reason


async def test_an_answer_that_is_no_json_is_told_as_it_is(server: Server) -> None:
    server.answers = [web.Response(status=502, text="<html>Bad gateway</html>")]
    with pytest.raises(ApiError, match="Bad gateway") as caught:
        await server.cluster.get("Job", "shop", "x")
    assert caught.value.status == 502


@pytest.mark.parametrize("trouble", ["hang", "hang up"])
async def test_a_server_that_does_not_answer_is_an_error_of_its_own(
    server: Server, trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    server.answers = [trouble] * 10
    with pytest.raises(ApiError) as caught:
        await server.cluster.get("Job", "shop", "x")
    assert caught.value.status == 0


@pytest.mark.parametrize("text", ["", "null", "[]", '"x"'])
async def test_an_odd_answer_to_a_refusal_is_no_bug(server: Server, text: str) -> None:
    server.answers = [web.Response(status=500, text=text, content_type="application/json")]
    with pytest.raises(ApiError) as caught:
        await server.cluster.get("Job", "shop", "x")
    assert caught.value.status == 500


@pytest.mark.parametrize("text", ["", "null", "[]", "<html>"])
async def test_an_answer_that_is_no_object_is_as_good_as_none(server: Server, text: str) -> None:
    server.answers = [web.Response(text=text)]
    with pytest.raises(ApiError) as caught:
        await server.cluster.get("Job", "shop", "x")
    assert caught.value.status == 0
