"""Sessions as clients see them: in a program and by the command."""

import asyncio
import json
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from towpath import Client, ComponentError, SessionError
from towpath_cli.app import app
from towpath_cli.plan import Plan

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture
def name() -> str:
    return uuid4().hex


async def towpath(plan: Plan, *arguments: str) -> Result:
    said = ["session", *arguments, "--url", plan.nats_url]
    return await asyncio.to_thread(CliRunner().invoke, app, said)


async def test_a_client_writes_and_reads_a_session(client: Client, name: str) -> None:
    session = client.session(name, app_name="shop", user_id="ann")
    session.set_state("language", "nl", scope="user")
    await session.send_message("Hello")
    await session.send_message("Hi", role="assistant", metadata={"agent": "host"})

    again = client.session(name, user_id="ann", app_name="shop")
    await again.load()

    assert [(one.role, one.content) for one in await again.history()] == [
        ("user", "Hello"),
        ("assistant", "Hi"),
    ]
    assert again.get_state("language", scope="user") == "nl"
    assert (await again.export()).count("\n") == 2
    assert (await again.head()).about.user_id == "ann"


async def test_state_is_not_kept_without_the_message_that_it_goes_with(client: Client, name: str) -> None:
    session, again = client.session(name), client.session(name)
    session.set_state("asked", "twice")
    with pytest.raises(ComponentError, match="the limit is"):
        await session.send_message("x" * 33 * 2**20)

    await again.load()
    assert again.get_state("asked") is None
    await session.send_message("shorter")

    await again.load()
    assert again.get_state("asked") == "twice"
    assert [event.kind for event in await again.events()] == ["state", "message"]


async def test_sessions_of_two_tenants_share_nothing(client: Client, name: str) -> None:
    await client.session(name, tenant="acme").send_message("Hello")

    assert await client.session(name, tenant="other").history() == []
    await client.session(name, user_id="ann", tenant="acme").send_message("I am Ann")
    with pytest.raises(SessionError, match="another user_id"):
        await client.session(name, user_id="bob", tenant="acme").send_message("I am Bob")


async def test_the_command_shows_exports_prunes_and_deletes(client: Client, plan: Plan, name: str) -> None:
    session = client.session(name, user_id="ann")
    for number in range(5):
        await session.send_message(f"message {number}")

    shown = await towpath(plan, "show", name, "--limit", "2")
    pruned = await towpath(plan, "prune", name, "keep_last_1")
    as_json = await towpath(plan, "show", name, "--json")
    exported = await towpath(plan, "export", name)
    deleted = await towpath(plan, "delete", name)
    gone = await towpath(plan, "show", name)

    assert "5, 5 of them messages" in shown.output
    assert "ann" in shown.output
    assert "message 3" in shown.output
    assert "message 2" not in shown.output
    assert "4 messages left the history" in pruned.output
    assert [json.loads(line)["content"] for line in as_json.stdout.splitlines()] == ["message 4"]
    assert [json.loads(line)["message"] for line in exported.stdout.splitlines()] == [
        f"message {number}" for number in range(5)
    ]
    assert "with 6 events" in deleted.output
    assert (gone.exit_code, "has no events" in gone.output) == (1, True)


async def test_the_command_says_what_a_session_refuses(client: Client, plan: Plan, name: str) -> None:
    await client.session(name).send_message("Hello")

    refused = await towpath(plan, "prune", name, "everything")

    assert refused.exit_code == 1
    assert "there is no strategy 'everything'; there are keep_last_<n>" in refused.output
