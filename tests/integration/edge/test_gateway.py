"""Towpath over HTTP: runs in, views of runs out, every failure as one kind of body."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from towpath import Client
from towpath_cli.plan import Plan
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

WELCOME = {"component": "welcome", "input": {"name": "Ada"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(plan: Plan) -> AsyncGenerator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{plan.http_port}", timeout=30) as client:
        yield client


def error_of(answer: httpx.Response) -> tuple[int, str]:
    body = answer.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"code", "message"}
    assert body["error"]["message"]
    return answer.status_code, body["error"]["code"]


async def test_a_run_is_started_and_shown(http: httpx.AsyncClient, client: Client) -> None:
    started = await http.post("/v1/runs", json=WELCOME)

    assert started.status_code == 202
    assert started.json() == {"run_id": started.json()["run_id"], "component": "welcome", "existed": False}
    run_id = started.json()["run_id"]
    await client.result(run_id, 10)
    shown = await http.get(f"/v1/runs/{run_id}")
    assert shown.status_code == 200
    assert (shown.json()["status"], shown.json()["result"]) == ("completed", {"text": "hello Ada"})


async def test_a_run_that_existed_is_answered_with_200(http: httpx.AsyncClient) -> None:
    asked = {**WELCOME, "idempotency_key": uuid4().hex}

    answers = [await http.post("/v1/runs", json=asked) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [202, 200]
    assert answers[0].json()["run_id"] == answers[1].json()["run_id"]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"not json", (400, "malformed")),
        (b"\xff\xfe", (400, "malformed")),
        (b"[" * 100_000, (400, "malformed")),
        (b"{}", (422, "invalid_input")),
        (b"[]", (422, "invalid_input")),
        (b'{"component": ""}', (422, "invalid_input")),
        (b'{"component": "welcome", "unheard_of": 1}', (422, "invalid_input")),
        (b'{"component": "welcome", "input": "\\ud800"}', (422, "invalid_input")),
        (b'{"component": "welcome", "input": NaN}', (422, "invalid_input")),
        (b'{"component": "nobody"}', (404, "unknown_component")),
        (b'{"component": "welcome", "attribution": {"tenant": "other"}}', (422, "invalid_input")),
    ],
    ids=lambda value: repr(value[:60]) if isinstance(value, bytes) else None,
)
async def test_a_wrong_body_is_refused(
    http: httpx.AsyncClient, body: bytes, expected: tuple[int, str]
) -> None:
    answer = await http.post("/v1/runs", content=body, headers={"content-type": "application/json"})

    assert error_of(answer) == expected


@pytest.mark.parametrize("path", ["/v1/runs/nobody", "/v1/runs/a.b", "/v1/runs/%3E", "/v2", "/v1/runs/a/b"])
async def test_what_is_not_there_is_not_found(http: httpx.AsyncClient, path: str) -> None:
    assert error_of(await http.get(path)) == (404, "not_found")


async def test_another_method_is_refused(http: httpx.AsyncClient) -> None:
    assert error_of(await http.delete("/v1/runs")) == (405, "method_not_allowed")


async def test_a_body_that_is_announced_too_large_is_refused_unread(plan: Plan) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plan.http_port)
    length = MAX_PAYLOAD_BYTES + 1
    writer.write(b"POST /v1/runs HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % length)

    async with asyncio.timeout(10):
        answer = await reader.readuntil(b"\r\n")
    writer.close()

    assert b" 413 " in answer


async def test_a_body_that_goes_on_and_on_is_refused(http: httpx.AsyncClient) -> None:
    async def without_end() -> AsyncIterator[bytes]:
        for _ in range(MAX_PAYLOAD_BYTES // 65_536 + 2):
            yield b"x" * 65_536

    assert error_of(await http.post("/v1/runs", content=without_end())) == (413, "payload_too_large")


async def test_a_large_input_comes_back_in_the_result(http: httpx.AsyncClient, client: Client) -> None:
    name = "x" * 2_000_000

    started = await http.post("/v1/runs", json={"component": "welcome", "input": {"name": name}})
    await client.ended(started.json()["run_id"], 20)
    shown = await http.get(f"/v1/runs/{started.json()['run_id']}")

    assert shown.json()["result"] == {"text": f"hello {name}"}


async def test_an_input_that_is_over_the_limit_as_an_event_is_refused(http: httpx.AsyncClient) -> None:
    room = MAX_PAYLOAD_BYTES - len('{"component":"welcome","input":""}')
    body = b'{"component":"welcome","input":"%b"}' % (b"x" * room)

    answer = await http.post("/v1/runs", content=body, headers={"content-type": "application/json"})

    assert error_of(answer) == (413, "payload_too_large")


async def test_attribution_headers_are_not_believed(http: httpx.AsyncClient, client: Client) -> None:
    forged = {"ce-tenant": "other", "ce-userref": "admin", "ce-agentname": "root"}

    started = await http.post("/v1/runs", json={**WELCOME, "attribution": {"user_id": "u-1"}}, headers=forged)

    run = await client.status(started.json()["run_id"])
    assert run is not None
    assert run.attribution.model_dump(exclude_none=True) == {"tenant": "default", "user_id": "u-1"}


async def test_a_run_of_another_tenant_is_not_shown(http: httpx.AsyncClient, client: Client) -> None:
    run_id = await client.start("welcome", {"name": "Ada"}, tenant="other")

    assert error_of(await http.get(f"/v1/runs/{run_id}")) == (404, "not_found")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_it_says_how_it_is(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_the_openapi_document_says_what_is_answered(http: httpx.AsyncClient) -> None:
    paths: dict[str, Any] = (await http.get("/openapi.json")).json()["paths"]

    assert set(paths) == {"/v1/runs", "/v1/runs/{run_id}"}
    start, show = paths["/v1/runs"]["post"]["responses"], paths["/v1/runs/{run_id}"]["get"]["responses"]
    assert set(start) == {"200", "202", "400", "404", "413", "422", "503"}
    assert set(show) == {"200", "404", "422", "503"}
    for status, described in {**start, **show}.items():
        schema = described["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        assert schema == ("ErrorBody" if int(status) >= 400 else schema)
