"""Sessions on the durable engine: journaled like every other act, the same after a crash at any moment."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest

from towpath import (
    Agent,
    Context,
    ContextError,
    ModelRequest,
    Session,
    SessionError,
    function,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, crash_everywhere
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.journal import CallIntended, CallSettled, StepSettled


def weigh(what: str) -> str:
    """Weigh something."""
    return f"{what}: 12 kg"


def answering(name: str) -> str:
    def reply(request: ModelRequest) -> Any:
        return "done" if request.messages[-1].role == "tool" else tool_call("weigh", what="boat")

    script(name, reply)
    return f"test/{name}"


def told(messages: Any) -> list[tuple[str, str]]:
    return [(one.role, one.content) for one in messages]


TURN = [("user", "How heavy?"), ("assistant", ""), ("tool", "boat: 12 kg"), ("assistant", "done")]


async def test_a_run_that_is_killed_at_any_moment_has_its_turn_in_the_session_once() -> None:
    agent = Agent(name="scales", model=answering("weighing"), tools=[weigh])

    @workflow
    async def asks(ctx: Context) -> Any:
        session = Session("chat", user_id="ann")
        session.set_state("unit", "kg", scope="user")
        await session.send_message("Hello")
        await agent.run("How heavy?", session=session)
        await session.prune("keep_last_4")
        await session.load()
        return [told(await session.history()), session.get_state("unit", scope="user")]

    survived = await crash_everywhere(asks)

    assert survived.finished.result == [[list(one) for one in TURN], "kg"]


@pytest.mark.parametrize("always_replay", [False, True])
async def test_agents_of_one_run_share_a_session_at_the_same_time(always_replay: bool) -> None:  # noqa: FBT001
    agents = [Agent(name=name, model=answering(name), tools=[weigh]) for name in ("one", "two", "three")]

    @workflow
    async def together(ctx: Context) -> Any:
        session = Session("chat")
        await asyncio.gather(*(agent.run(agent.name, session=session) for agent in agents))
        return [[one.role, one.metadata["agent"]] for one in await session.history()]

    async with VirtualPlatform(always_replay=always_replay) as platform:
        found = await platform.run(together)

    turns = [found[start : start + 4] for start in range(0, 12, 4)]
    assert all([role for role, _ in turn] == ["user", "assistant", "tool", "assistant"] for turn in turns)
    assert all(len({agent for _, agent in turn}) == 1 for turn in turns)
    assert {turn[0][1] for turn in turns} == {"one", "two", "three"}


async def test_runs_see_each_others_session_and_the_users_state() -> None:
    agent = Agent(name="host", model=script("counting", lambda request: str(len(request.messages))))

    @workflow
    async def sets(ctx: Context) -> None:
        Session("first", user_id="ann").set_state("language", "nl", scope="user")

    @workflow
    async def gets(ctx: Context) -> Any:
        session = Session("second", user_id="ann")
        await session.load()
        return session.get_state("language", scope="user")

    async with VirtualPlatform() as platform:
        assert (await platform.run(agent, {"prompt": "a", "session_id": "chat"}))["output"] == "1"
        assert (await platform.run(agent, {"prompt": "b", "session_id": "chat"}))["output"] == "3"
        await platform.run(sets)
        assert await platform.run(gets) == "nl"


async def test_temporary_state_ends_with_its_run() -> None:
    shared = Session("chat")

    @workflow
    async def notes(ctx: Context, step: str | None = None) -> Any:
        before = shared.get_state("step", scope="temp")
        shared.set_state("step", step, scope="temp")
        await ctx.sleep(3_600)
        return [before, shared.get_state("step", scope="temp")]

    async with VirtualPlatform() as platform:
        assert await platform.run(notes, {"step": "first"}) == [None, "first"]
        assert await platform.run(notes, {"step": "second"}) == [None, "second"]


async def test_what_an_immutable_session_refuses_is_an_error_of_its_own_in_a_run() -> None:
    @workflow
    async def prunes(ctx: Context) -> str:
        session = Session("audit", retention={"immutable": True})
        await session.send_message("Hello")
        try:
            await session.delete()
        except SessionError as error:
            return str(error)
        return "deleted"

    async with VirtualPlatform() as platform:
        assert await platform.run(prunes) == "session 'audit' is immutable, so it cannot be deleted"


async def test_a_summary_is_an_act_of_the_run() -> None:
    asked: list[ModelRequest] = []

    def summarize(request: ModelRequest) -> str:
        asked.append(request)
        return "all said"

    script("brief", summarize)

    @workflow
    async def archives(ctx: Context) -> Any:
        session = Session("chat")
        for text in "abc":
            await session.send_message(text)
        await session.prune("keep_summary", model="test/brief")
        return [one.content for one in await session.history()]

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(archives) == ["Summary of the conversation so far: all said"]
    assert len(asked) == 1


async def test_state_that_is_read_before_it_is_loaded_fails_the_run_with_the_remedy() -> None:
    @workflow
    async def hasty(ctx: Context) -> Any:
        return Session("chat").get_state("step")

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match=r"await session.load\(\) first"):
            await platform.run(hasty)


async def test_a_session_is_forgotten_so_long_after_its_newest_message() -> None:
    @workflow
    async def says(ctx: Context, text: str) -> list[str]:
        session = Session("temp-chat", retention={"ttl_days": 1})
        await session.send_message(text)
        return [one.content for one in await session.history()]

    @workflow
    async def looks(ctx: Context) -> int:
        return len(await Session("temp-chat").events())

    async with VirtualPlatform() as platform:
        await platform.run(says, {"text": "a"})
        await platform.advance(hours=20)
        assert await platform.run(says, {"text": "b"}) == ["a", "b"]
        await platform.advance(hours=20)
        assert await platform.run(looks) == 2
        await platform.advance(hours=5)
        assert await platform.run(looks) == 0
        assert await platform.run(says, {"text": "c"}) == ["c"]


async def test_a_deleted_session_that_begins_anew_is_not_forgotten_with_the_old_one() -> None:
    @workflow
    async def begins_anew(ctx: Context) -> None:
        session = Session("chat", retention={"ttl_days": 1})
        await session.send_message("a")
        await session.delete()
        await Session("chat").send_message("b")

    @workflow
    async def looks(ctx: Context) -> list[str]:
        return [one.content for one in await Session("chat").history()]

    async with VirtualPlatform() as platform:
        await platform.run(begins_anew)
        await platform.advance(days=2)
        assert await platform.run(looks) == ["b"]


async def test_what_an_agent_does_in_a_session_is_attributed_to_it_down_to_its_tools() -> None:
    heard: list[tuple[str | None, str | None]] = []

    @tool
    def weigh_for(ctx: Context, what: str) -> str:
        """Weigh something."""
        heard.append((ctx.attribution.session_id, ctx.attribution.user_id))
        return "12 kg"

    script(
        "weighing",
        lambda request: "done" if request.messages[-1].role == "tool" else tool_call("weigh_for", what="b"),
    )
    agent = Agent(name="scales", model="test/weighing", tools=[weigh_for])

    @workflow
    async def asks(ctx: Context) -> None:
        await ctx.step("before", lambda: None)
        await asyncio.gather(*(agent.run("How heavy?", session=Session(name)) for name in ("one", "two")))
        await ctx.step("after", lambda: None)

    async with VirtualPlatform() as platform:
        run = await platform.start(asks, attribution=AttributionClaim(user_id="ann"))
        await run.result()

    said = {
        record.key: record.session_id
        for record in run.journal
        if isinstance(record, CallIntended | CallSettled | StepSettled)
    }
    assert sorted(heard) == [("one", "ann"), ("two", "ann")]
    assert (said.pop("before#0"), said.pop("after#0")) == (None, None)
    assert set(said.values()) == {"one", "two"}


async def test_a_tool_writes_into_the_session_of_its_agent() -> None:
    @tool
    async def note(ctx: Context, city: str) -> str:
        """Note where the user lives."""
        session = Session(ctx.attribution.session_id or "")
        session.set_state("city", city)
        return "noted"

    script(
        "noting",
        lambda request: "ok" if request.messages[-1].role == "tool" else tool_call("note", city="Utrecht"),
    )
    agent = Agent(name="clerk", model="test/noting", tools=[note])

    @workflow
    async def asks(ctx: Context) -> Any:
        session = Session("chat")
        await agent.run("I live in Utrecht", session=session)
        await session.load()
        return session.get_state("city")

    async with VirtualPlatform() as platform:
        assert await platform.run(asks) == "Utrecht"


async def test_what_a_run_knows_of_a_session_is_not_journaled_again_however_long_it_gets() -> None:
    talker = Agent(name="talker", model=script("talk", lambda request: f"answer {len(request.messages):02}"))

    @workflow
    async def talks(ctx: Context) -> None:
        for number in range(20):
            await talker.run(f"question {number:02}", session=Session("long"))

    async with VirtualPlatform() as platform:
        run = await platform.start(talks)
        await run.result()

    starts = [at for at, record in enumerate(run.journal) if getattr(record, "key", "").endswith("model#0")]
    sizes = [len(record.to_body()) for record in run.journal]
    turns = [sum(sizes[start:end]) for start, end in pairwise(starts[::2])]
    assert max(turns[1:]) - min(turns[1:]) < 20, "a turn writes what it adds, not what the session holds"


async def test_a_session_that_begins_anew_is_read_anew() -> None:
    @workflow
    async def forgets(ctx: Context) -> list[str]:
        session = Session("again")
        await session.send_message("first")
        assert [message.content for message in await session.history()] == ["first"]
        await session.delete()
        await ctx.task(says)
        return [message.content for message in await session.history()]

    @function
    async def says() -> None:
        await Session("again").send_message("second")

    async with VirtualPlatform() as platform:
        assert await platform.run(forgets) == ["second"]


async def test_a_run_of_one_user_does_nothing_to_the_session_of_another() -> None:
    @workflow
    async def begins(ctx: Context) -> None:
        session = Session("talk", user_id="ada", app_name="shop")
        await session.send_message("my PIN is 1234")
        session.set_state("pin", 1234, scope="user")

    @workflow
    async def pries(ctx: Context, act: str) -> Any:
        said: Any = {"user_id": "ada", "app_name": "shop"} if act == "load" else {}
        try:
            return await getattr(Session("talk", **said), act)()
        except ContextError as error:
            return str(error)

    async with VirtualPlatform(always_replay=True) as platform:
        await platform.run(begins, attribution=AttributionClaim(user_id="ada"))
        for act in ("history", "load", "delete"):
            said = await platform.run(pries, {"act": act}, attribution=AttributionClaim(user_id="bob"))
            assert said.startswith(
                "this run is of user 'bob', and may not reach session 'talk' of user 'ada'"
            )
        assert len(await platform.run(pries, {"act": "history"})) == 1


async def test_each_page_of_a_summary_is_an_act_of_the_run() -> None:
    asked: list[ModelRequest] = []

    def summarize(request: ModelRequest) -> str:
        asked.append(request)
        return f"summary {len(asked)}"

    script("pages", summarize)

    @workflow
    async def archives(ctx: Context) -> Any:
        session = Session("chat")
        await session.append([{"role": "user", "content": letter * 60_000} for letter in "abc"])
        await session.prune("keep_summary", model="test/pages")
        return [one.content for one in await session.history()]

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(archives) == ["Summary of the conversation so far: summary 3"]
    assert [request.messages[0].content.count("summary") for request in asked] == [0, 1, 1]
