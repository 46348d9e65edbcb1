"""Sessions on the platform: shared by agents of several runs, kept whatever dies, forgotten by themselves."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from towpath import (
    Agent,
    Client,
    Context,
    ModelRequest,
    Session,
    SessionError,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath_chassis.service import running
from towpath_entity_store.app import app as entity_store_app
from towpath_entity_store.settings import Settings as EntityStoreSettings
from towpath_schemas import subjects
from towpath_schemas.entities import EntityCommitted
from towpath_schemas.journal import RunResumed
from towpath_schemas.sessions import SESSION_TYPE, event_value
from towpath_schemas.streams import JOURNAL
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform, platform
from towpath_testkit.servers import servers
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

A_SECOND = 1 / 86_400
"""In days."""


@pytest.fixture
async def towpath() -> AsyncGenerator[Platform]:
    """The platform with an entity store."""
    async with AsyncExitStack() as stack:
        started = await stack.enter_async_context(servers())
        hosting = await stack.enter_async_context(platform(started.nats.url))
        settings = EntityStoreSettings(
            nats_url=started.nats.url, redis_url=started.redis.url, health_port=0, drain_s=0.2
        )
        await stack.enter_async_context(running("entity-store", settings, entity_store_app))
        yield hosting


def reader() -> None:
    @workflow
    async def reads(ctx: Context, session_id: str) -> list[Any]:
        history = await Session(session_id).history()
        return [[one.role, one.content, one.metadata.get("agent")] for one in history]


def asks_scales_first(request: ModelRequest) -> Any:
    return "done" if request.messages[-1].role == "tool" else tool_call("weigh", what="boat")


def is_whole_turn(turn: list[Any]) -> bool:
    roles, agents = [role for role, _, _ in turn], {agent for _, _, agent in turn}
    return roles == ["user", "assistant", "tool", "assistant"] and len(agents) == 1


async def test_agents_of_several_runs_share_a_session_at_the_same_time(towpath: Platform) -> None:
    both_weigh = asyncio.Barrier(2)

    @tool
    async def weigh(what: str) -> str:
        """Weigh something."""
        await both_weigh.wait()
        return "12 kg"

    script("weighing", asks_scales_first)
    for name in ("one", "two"):
        Agent(name=name, model="test/weighing", tools=[weigh])
    reader()
    await asyncio.gather(towpath.agent_runner(), towpath.all())

    ended = await asyncio.gather(
        *(towpath.run(name, {"prompt": f"I am {name}", "session_id": "shared"}) for name in ("one", "two"))
    )
    history = (await towpath.run("reads", {"session_id": "shared"})).result

    assert [one.result["output"] for one in ended] == ["done", "done"]
    turns = [history[:4], history[4:]]
    assert all(map(is_whole_turn, turns))
    assert sorted(turn[0][1] for turn in turns) == ["I am one", "I am two"]


async def test_a_turn_whose_runner_was_killed_is_in_the_session_once(towpath: Platform) -> None:
    weighing, go_on = asyncio.Event(), asyncio.Event()

    @tool
    async def weigh(what: str) -> str:
        """Weigh something."""
        weighing.set()
        await go_on.wait()
        return "12 kg"

    script("weighing", asks_scales_first)
    Agent(name="scales", model="test/weighing", tools=[weigh], session=Session("chat"))
    reader()
    await towpath.router(lost_after_s=1.5)
    await towpath.tool_runner()
    first = await towpath.agent_runner()
    run_id = await towpath.start("scales", "How heavy?")
    await weighing.wait()

    await first.crash()
    await towpath.agent_runner()
    go_on.set()
    finished = await towpath.finished(run_id)
    history = (await towpath.run("reads", {"session_id": "chat"})).result

    assert finished.end == "completed"
    assert any(isinstance(record, RunResumed) for record in await towpath.journal(run_id))
    assert is_whole_turn(history)


async def test_what_an_agent_keeps_beside_its_turn_is_one_record_with_it(towpath: Platform) -> None:
    """A program that dies leaves both behind, or neither: nobody goes on with its turn."""
    script("counting", lambda request: f"{len(request.messages)} messages")
    await towpath.all()
    async with Client.over(towpath.js) as client:
        session = client.session("chat", tenant=TENANT)
        clerk = Agent(name="clerk", model="test/counting", session=session, callback_handler=None)
        clerk.state.set("mood", "good")
        await clerk.invoke_async("Hello")

    log = subjects.entity_logs_of(TENANT, SESSION_TYPE, "chat")
    (record,) = [
        EntityCommitted.from_body(one.body) for one in await towpath.js.following(JOURNAL, log, start=1)
    ]
    events = {name: value["kind"] for name, value in record.values.items() if name.startswith("event:")}
    assert events == {event_value(0): "state", event_value(1): "message", event_value(2): "message"}
    assert record.values["state:agent:clerk"]["state"] == {"mood": "good"}


async def test_an_append_whose_runner_was_killed_before_its_answer_happens_once(towpath: Platform) -> None:
    appended = asyncio.Event()
    first_time = True

    @workflow
    async def says(ctx: Context) -> int:
        nonlocal first_time
        session = Session("chat")
        saying = asyncio.ensure_future(session.send_message("once"))
        await ctx.step("seen", lambda: None)
        if first_time:
            first_time = False
            appended.set()
            await asyncio.Event().wait()
        await saying
        return len(await session.history())

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("says")
    await appended.wait()

    await first.crash()
    await towpath.agent_runner()

    assert (await towpath.finished(run_id)).result == 1


async def test_state_of_a_user_is_seen_by_the_users_other_sessions_and_nobody_elses(
    towpath: Platform,
) -> None:
    @workflow
    async def sets(ctx: Context) -> None:
        session = Session("first", app_name="shop", user_id="ann")
        session.set_state("language", "nl", scope="user")
        session.set_state("version", 2, scope="app")
        session.set_state("page", 3)

    @workflow
    async def gets(ctx: Context, session_id: str, user: str) -> list[Any]:
        session = Session(session_id, app_name="shop", user_id=user)
        await session.load()
        scopes: Any = {"language": "user", "version": "app", "page": "session"}
        return [session.get_state(name, scope=scope) for name, scope in scopes.items()]

    await towpath.all()
    await towpath.run("sets")

    seen = [
        (await towpath.run("gets", {"session_id": one, "user": user})).result
        for one, user in (("first", "ann"), ("second", "ann"), ("third", "bob"))
    ]

    assert seen == [["nl", 2, 3], ["nl", 2, None], [None, 2, None]]


async def test_an_immutable_session_refuses_and_an_expired_one_is_gone(towpath: Platform) -> None:
    @workflow
    async def keeps(ctx: Context) -> str:
        session = Session("audit", retention={"immutable": True})
        await session.send_message("kept")
        try:
            await session.prune("keep_last_1")
        except SessionError as error:
            return str(error)
        return "pruned"

    @workflow
    async def chats(ctx: Context) -> None:
        await Session("temp-chat", retention={"ttl_days": A_SECOND}).send_message("soon gone")

    reader()
    await towpath.all()

    refused = (await towpath.run("keeps")).result
    await towpath.run("chats")
    gone = await until(
        lambda: towpath.run("reads", {"session_id": "temp-chat"}),
        lambda finished: finished.result == [],
        deadline_s=20,
    )

    assert refused == "session 'audit' is immutable, so it cannot be pruned"
    assert gone.end == "completed"
    assert (await towpath.run("reads", {"session_id": "audit"})).result == [["user", "kept", None]]
