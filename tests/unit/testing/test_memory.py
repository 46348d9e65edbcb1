"""Memories on the durable engine: each question is one act, so a run sees the same whenever it is replayed."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from towpath import (
    Agent,
    ComponentError,
    Context,
    InMemoryMemoryService,
    Memory,
    Session,
    VectorMemoryService,
    entity,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.testing import FunctionModel, VirtualPlatform, crash_everywhere
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.journal import CallSettled

ADA = AttributionClaim(user_id="ada")
BOB = AttributionClaim(user_id="bob")


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_EMBEDDER", "test/words")


@pytest.fixture(params=[False, True], ids=["held", "replayed"])
async def platform(request: pytest.FixtureRequest) -> Any:
    async with VirtualPlatform(always_replay=request.param) as standing:
        yield standing


@pytest.fixture
def listens() -> FunctionModel:
    return FunctionModel(lambda _request: "I see.", name="listens")


async def test_what_one_run_stored_another_recalls_and_nobody_else(platform: VirtualPlatform) -> None:
    memory = Memory()

    @workflow
    async def learn(ctx: Context) -> Any:
        await memory.store("boat", "sails a boat", type="hobby")
        await memory.update("boat", sure=True)
        return await memory.list_keys()

    @workflow
    async def know(ctx: Context) -> Any:
        found = await memory.search("boat", filter={"type": "hobby"})
        return [(one.key, one.content, one.metadata["sure"]) for one in found]

    assert await platform.run(learn, attribution=ADA) == ["boat"]
    assert await platform.run(know, attribution=ADA) == [["boat", "sails a boat", True]]
    assert await platform.run(know, attribution=BOB) == []
    assert await platform.run(know) == []


async def test_a_run_that_is_replayed_sees_what_it_saw_though_more_is_known_by_then(
    platform: VirtualPlatform,
) -> None:
    memory = Memory()

    @workflow
    async def learn(ctx: Context, text: str) -> None:
        await memory.store("boat", text)

    @workflow
    async def ponder(ctx: Context) -> Any:
        before = await memory.search("boat")
        await ctx.sleep(3_600)
        after = await memory.search("boat")
        then = await memory.search("boat", as_of=before.as_of)
        return [[one.content for one in found] for found in (before, after, then)]

    await platform.run(learn, "has no boat", attribution=ADA)
    pondering = await platform.start(ponder, attribution=ADA)
    await platform.run(learn, "has a boat", attribution=ADA)

    assert await pondering.result() == [["has no boat"], ["has a boat"], ["has no boat"]]


async def test_a_question_is_one_record_that_names_what_was_found(
    platform: VirtualPlatform, listens: FunctionModel
) -> None:
    memory = Memory()
    agent = Agent(name="crew", model=listens, memory=memory)

    @workflow
    async def learn(ctx: Context) -> None:
        await memory.store("boat", "sails a boat")

    await platform.run(learn, attribution=ADA)
    run = await platform.start(agent, "which boat", attribution=ADA)
    await run.result()

    questions = [one for one in run.journal if isinstance(one, CallSettled) and one.act == "memory"]
    assert [(one.key, one.target, one.agent) for one in questions] == [
        ("memory:crew#0/memory:search#0", "search", "crew")
    ]
    found = questions[0].result["app/-x/user/ada"]["found"]
    assert [(one["key"], one["content"]) for one in found] == [("boat", "sails a boat")]
    assert "sails a boat" in (listens.requests[-1].system or "")


async def test_what_a_tool_remembers_is_of_the_user_and_app_of_the_session_and_nobody_else_is_reminded(
    platform: VirtualPlatform, listens: FunctionModel
) -> None:
    memory = Memory()

    @tool
    async def keep(ctx: Context, fact: str) -> str:
        """Keep a fact."""
        await ctx.memory.set("boat", fact)
        await memory.store("again", fact)
        return (await ctx.memory.search("boat"))[0].namespace

    script("keeps", [tool_call("keep", fact="ada sails a boat"), "Kept."])
    clerk = Agent(name="clerk", model="test/keeps", tools=[keep])
    crew = Agent(name="crew", model=listens, memory=memory)

    @workflow
    async def kept(ctx: Context) -> Any:
        ended = await clerk.run("keep it", session=Session("one", user_id="ada", app_name="shop"))
        return [ended.tool_calls[0].name, await memory.list_keys()]

    @workflow
    async def told(ctx: Context, user_id: str, app_name: str) -> None:
        await crew.run(
            "which boat", session=Session(f"{user_id} {app_name}", user_id=user_id, app_name=app_name)
        )

    assert await platform.run(kept) == ["keep", []]
    for user_id, app_name in (("ada", "shop"), ("bob", "shop"), ("ada", "bank")):
        listens.requests.clear()
        await platform.run(told, {"user_id": user_id, "app_name": app_name})
        told_of_it = (listens.requests[-1].system or "").count("ada sails a boat")
        assert told_of_it == (2 if (user_id, app_name) == ("ada", "shop") else 0)


async def test_a_method_that_an_agent_calls_remembers_for_the_user_of_its_session(
    platform: VirtualPlatform,
) -> None:
    diary = entity("Diary")

    @diary.write
    async def note(ctx: Context, fact: str) -> None:
        await ctx.memory.set("noted", fact)

    @tool
    async def keep(ctx: Context, fact: str) -> str:
        """Keep a fact."""
        await ctx.entity("Diary", "d").note(fact)
        return "kept"

    script("keeps", [tool_call("keep", fact="ada sails a boat"), "Kept."])
    clerk = Agent(name="clerk", model="test/keeps", tools=[keep])

    @workflow
    async def kept(ctx: Context) -> Any:
        await clerk.run("keep it", session=Session("one", user_id="ada"))
        return [await Memory().list_keys(), await Memory().list_keys("ada")]

    assert await platform.run(kept) == [[], ["noted"]]


async def test_memories_survive_a_crash_at_any_moment(listens: FunctionModel) -> None:
    memory = Memory()
    agent = Agent(name="crew", model=listens, memory=memory)

    @workflow
    async def voyage(ctx: Context) -> Any:
        await memory.store("boat", "sails a boat", user_id="ada")
        await ctx.memory.append("log", "cast off")
        await asyncio.gather(*(memory.store(key, f"boat {key}", user_id="ada") for key in ("n0", "n1")))
        await agent.run("which boat", session=Session("chat", user_id="ada"))
        gone = await memory.forget(["n0", "never"], user_id="ada")
        left = await memory.list_keys("ada")
        await memory.erase("ada")
        return [left, gone, await memory.list_keys("ada")]

    survived = await crash_everywhere(voyage)

    assert survived.finished.result == [["boat", "n1"], 1, []]


async def test_a_question_embeds_its_text_once_however_often_the_run_is_replayed() -> None:
    class Counted:
        name, dimensions = "mine/counted", 1
        texts: list[str] = []

        async def embed(self, texts: Sequence[str]) -> list[list[float]]:
            self.texts.extend(texts)
            return [[1.0] for _ in texts]

    memory = Memory(VectorMemoryService(Counted()))

    @workflow
    async def ponder(ctx: Context) -> Any:
        await memory.store("boat", "sails a boat")
        found = await memory.search("a question")
        await ctx.sleep(60)
        return len(found)

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(ponder, attribution=ADA) == 1

    assert Counted.texts == ["sails a boat", "a question"]


async def test_memory_of_the_process_is_journaled_as_steps(platform: VirtualPlatform) -> None:
    memory = Memory(InMemoryMemoryService())

    @workflow
    async def voyage(ctx: Context) -> Any:
        await memory.store("boat", "sails a boat")
        found = await memory.search("boat")
        return [found[0].key, await memory.forget("boat"), (await memory.erase()).records]

    assert await platform.run(voyage) == ["boat", 1, 1]


async def test_a_run_that_is_told_of_a_failure_may_go_on(platform: VirtualPlatform) -> None:
    @workflow
    async def voyage(ctx: Context) -> str:
        try:
            await Memory(VectorMemoryService("nobody/knows")).search("boat")
        except ComponentError as error:
            await ctx.sleep(60)
            return error.failure.message
        return "found"

    assert "no embedding model 'nobody/knows' is known" in await platform.run(voyage)
