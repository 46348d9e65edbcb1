"""`towpath runs` and `towpath approvals`: what people do with runs from a terminal."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from towpath import Client
from towpath_cli.app import app
from towpath_cli.plan import Plan
from towpath_schemas.approvals import approval_id
from towpath_schemas.runs import RunStatus
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

Towpath = Callable[..., Awaitable[Result]]


@pytest.fixture
def towpath(plan: Plan) -> Towpath:
    async def run(*arguments: str) -> Result:
        environment = {"TOWPATH_NATS_URL": plan.nats_url, "USER": "ada", "COLUMNS": "200"}
        return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=environment)

    return run


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4().hex[:8]}"


def objects(ended: Result) -> list[dict[str, Any]]:
    assert ended.exit_code == 0, ended.output
    return [json.loads(line) for line in ended.stdout.splitlines()]


async def waiting(client: Client, component: str, given: Any, tenant: str) -> str:
    """Start a run, and return its id when it waits."""
    run_id = await client.start(component, given, tenant=tenant)
    await until_status(client, run_id, "suspended")
    return run_id


async def until_status(client: Client, run_id: str, status: RunStatus) -> None:
    async def look() -> list[RunStatus]:
        return [run.status async for run in client.list() if run.run_id == run_id]

    await until(look, lambda seen: seen == [status])


async def test_runs_are_found_and_shown(towpath: Towpath, client: Client, tenant: str) -> None:
    run_id = await waiting(client, "trip", {"where": "Oslo"}, tenant)

    listed = objects(await towpath("runs", "list", "--tenant", tenant, "--waiting-for", "paid", "--json"))
    as_table = await towpath(
        "runs", "list", "--tenant", tenant, "--status", "suspended", "--since", "2024-01-01"
    )
    nothing = await towpath("runs", "list", "--tenant", tenant, "--status", "completed", "--status", "failed")
    shown = await towpath("runs", "show", run_id)
    (as_json,) = objects(await towpath("runs", "show", run_id, "--json"))

    assert [run["run_id"] for run in listed] == [run_id]
    assert run_id in as_table.stdout
    assert (nothing.stdout, nothing.stderr) == ("", "no such runs\n")
    assert "signal:paid#0" in shown.stdout
    assert (as_json["status"], as_json["waiting_for"]) == ("suspended", ["signal:paid#0"])


async def test_a_run_is_signalled_and_its_result_printed(
    towpath: Towpath, client: Client, tenant: str
) -> None:
    run_id = await waiting(client, "trip", {"where": "Oslo"}, tenant)

    sent = await towpath("runs", "signal", run_id, "paid", "--payload", '{"amount": 3}')
    result = await towpath("runs", "result", run_id, "--timeout", "10")

    assert sent.exit_code == 0, sent.output
    assert json.loads(result.stdout)["paid"] == {"amount": 3}


@pytest.mark.parametrize(("verb", "status"), [("cancel", "cancelled"), ("terminate", "terminated")])
async def test_a_run_is_ended(
    towpath: Towpath, client: Client, tenant: str, verb: str, status: RunStatus
) -> None:
    run_id = await waiting(client, "trip", {"where": "Oslo"}, tenant)

    done = await towpath("runs", verb, run_id, "--reason", "enough")
    result = await towpath("runs", "result", run_id, "--timeout", "10")

    assert (done.exit_code, result.exit_code) == (0, 1)
    assert len(result.stderr.splitlines()) == 1
    assert f"was {status}" in result.stderr
    assert "enough" in result.stderr
    await until_status(client, run_id, status)


async def test_a_run_is_paused_and_resumed(towpath: Towpath, client: Client, tenant: str) -> None:
    run_id = await waiting(client, "trip", {"where": "Oslo"}, tenant)

    assert (await towpath("runs", "pause", run_id)).exit_code == 0
    await until_status(client, run_id, "paused")
    assert "paused" in (await towpath("runs", "show", run_id)).stdout
    assert (await towpath("runs", "resume", run_id)).exit_code == 0

    await client.signal(run_id, "paid", 1)
    assert (await client.result(run_id, 10))["paid"] == 1


async def test_a_fork_is_told_by_its_id(towpath: Towpath, client: Client) -> None:
    run_id = await client.start("lots", {})
    first, _ = await client.result(run_id, 10)

    forked = await towpath("runs", "fork", run_id, "--until", "second#0")
    wrong = await towpath("runs", "fork", run_id, "--until", "third#0")

    assert (await client.result(forked.stdout.strip(), 10))[0] == first
    assert wrong.exit_code == 1
    assert "second#0" in wrong.stderr


async def test_an_approval_is_found_shown_and_decided(towpath: Towpath, client: Client, tenant: str) -> None:
    run_id = await waiting(client, "deploy", {"version": 3}, tenant)

    async def look() -> list[dict[str, Any]]:
        return objects(await towpath("approvals", "list", "--tenant", tenant, "--json"))

    (approval,) = await until(look, bool)
    name = approval["approval_id"]
    shown = await towpath("approvals", "show", name)
    as_table = await towpath("approvals", "list", "--role", "boss", "--run", run_id)
    refused = await towpath("approvals", "approve", name, "--role", "clerk")
    approved = await towpath("approvals", "approve", name, "--role", "boss", "--comment", "go")
    late = await towpath("approvals", "reject", name, "--role", "boss")

    assert '"version": 3' in shown.stdout
    assert name in as_table.stdout
    assert [one.exit_code for one in (refused, approved, late)] == [1, 0, 1]
    assert "is for boss" in refused.stderr
    assert await client.result(run_id, 10) == {"decision": "approved", "by": "ada", "comment": "go"}
    gone = await towpath("approvals", "show", name)
    assert "towpath approvals list" in gone.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["runs", "show", "nobody"], "no run 'nobody'"),
        (["runs", "result", "nobody"], "no run 'nobody'"),
        (["runs", "cancel", "nobody"], "no run 'nobody'"),
        (["runs", "fork", "nobody", "--until", "a#0"], "no run 'nobody'"),
        (["approvals", "approve", approval_id("nobody", 1)], "no run 'nobody'"),
        (["approvals", "reject", "nonsense"], "look like"),
    ],
    ids=["show", "result", "cancel", "fork", "approve", "reject"],
)
async def test_trouble_is_told_in_one_sentence(towpath: Towpath, arguments: list[str], said: str) -> None:
    ended = await towpath(*arguments)

    assert ended.exit_code == 1
    assert len(ended.stderr.strip().splitlines()) == 1
    assert said in ended.stderr
