"""Several conversations with one agent, and conversations from sync code."""

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest

from towpath import Agent, ConcurrentInvocationMode, Context, function, script, tool_call, workflow
from towpath.agents.hooks import BeforeModelCallEvent
from towpath.errors import ComponentError, ConcurrencyError, ConfigurationError
from towpath.testing import FunctionModel, VirtualPlatform, crash_everywhere, scripted
from towpath_schemas.journal import CallSettled

who: ContextVar[str] = ContextVar("who", default="nobody")


def texts(agent: Agent) -> list[str]:
    return [message["content"][0]["text"] for message in agent.messages]


def slow(**said: Any) -> Agent:
    script("slow", lambda request: f"re: {request.messages[-1].content}", delay_s=0.01)
    return Agent("test/slow", callback_handler=None, **said)


# --- At the same time -----------------------------------------------------------------------------------


async def test_a_second_conversation_is_refused_and_leaves_no_trace() -> None:
    agent = slow(name="desk")

    answers = await asyncio.gather(agent.invoke_async("a"), agent.invoke_async("b"), return_exceptions=True)

    assert isinstance(answers[1], ConcurrencyError)
    assert "desk is in a conversation" in str(answers[1])
    assert texts(agent) == ["a", "re: a"]
    assert (await agent.invoke_async("c")).output == "re: c"


async def test_conversations_may_queue() -> None:
    agent = slow(concurrent_invocation_mode="queue")

    await asyncio.gather(*(agent.invoke_async(name) for name in "abc"))

    assert texts(agent) == ["a", "re: a", "b", "re: b", "c", "re: c"]


async def test_who_gives_up_in_the_queue_holds_nobody_up() -> None:
    agent = slow(concurrent_invocation_mode=ConcurrentInvocationMode.QUEUE)
    first, second, third = (asyncio.create_task(agent.invoke_async(name)) for name in "abc")
    await asyncio.sleep(0)

    second.cancel()

    assert [one.output for one in await asyncio.gather(first, third)] == ["re: a", "re: c"]


async def test_conversations_may_mix_where_that_is_wanted() -> None:
    agent = slow(concurrent_invocation_mode="unsafe_reentrant")

    await asyncio.gather(agent.invoke_async("a"), agent.invoke_async("b"))

    assert [message["role"] for message in agent.messages] == ["user", "user", "assistant", "assistant"]


def test_another_mode_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="'throw', 'queue', 'unsafe_reentrant'"):
        Agent(concurrent_invocation_mode="polite")


def test_threads_queue_as_tasks_do() -> None:
    agent = slow(concurrent_invocation_mode="queue")
    threads = [threading.Thread(target=agent, args=(name,)) for name in "abcd"]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [message["role"] for message in agent.messages] == ["user", "assistant"] * 4


# --- From sync code ----------------------------------------------------------------------------------------


async def test_a_call_works_inside_a_running_loop_and_sees_its_context_variables() -> None:
    seen: list[str] = []
    agent = Agent(scripted("hello"), callback_handler=None)
    agent.add_hook(lambda _: seen.append(who.get()), BeforeModelCallEvent)
    who.set("me")

    assert (agent("q").output, seen) == ("hello", ["me"])


def test_calls_share_one_loop() -> None:
    loops: list[Any] = []

    async def note(event: BeforeModelCallEvent) -> None:
        loops.append(asyncio.get_running_loop())

    agent = Agent(scripted("a", "b"), callback_handler=None, hooks=[note])
    agent("q")
    agent("q")

    assert loops[0] is loops[1]


def test_an_agent_is_called_from_a_hook_and_from_a_tool_of_another() -> None:
    inner = Agent(scripted("from a tool"), callback_handler=None)

    def ask() -> str:
        return inner("q").output

    middle = Agent(scripted(tool_call("ask"), "from a hook"), tools=[ask], callback_handler=None)
    heard: list[str] = []

    def consult(event: BeforeModelCallEvent) -> None:
        heard.append(middle("q").output)

    outer = Agent(scripted("done"), callback_handler=None, hooks=[consult])

    assert (outer("q").output, heard) == ("done", ["from a hook"])


# --- On the platform -----------------------------------------------------------------------------------------


async def test_a_sync_function_on_the_platform_talks_through_the_journal() -> None:
    @function
    def ask(q: str) -> str:
        return Agent(scripted("hello"), callback_handler=None)(q).output

    async with VirtualPlatform() as platform:
        run = await platform.start(ask, "q")

        assert await run.result() == "hello"
        assert [record.act for record in run.journal if isinstance(record, CallSettled)] == ["model"]


async def test_an_agents_own_conversation_is_refused_in_a_run_that_may_be_replayed() -> None:
    agent = Agent(scripted("hello"), callback_handler=None)

    @workflow
    async def direct(ctx: Context) -> str:
        return agent("q").output

    @workflow
    async def awaited(ctx: Context) -> str:
        return (await agent.invoke_async("q")).output

    async with VirtualPlatform() as platform:
        for component in (direct, awaited):
            with pytest.raises(ComponentError, match=r"await agent\.run"):
                await platform.run(component)


async def test_an_agent_is_asked_by_one_run_only_for_a_conversation_of_its_own() -> None:
    model = scripted("hello", "and again")
    agent = Agent(model, callback_handler=None)

    @function
    def ask(q: str) -> str:
        return agent(q).output

    @workflow
    async def ask_in_a_step(ctx: Context, q: str) -> str:
        return await ctx.step("ask", lambda: agent(q).output)

    @workflow
    async def made_outside_of_the_step(ctx: Context, q: str) -> str:
        mine = Agent(model, callback_handler=None)
        return await ctx.step("ask", lambda: mine(q).output)

    @workflow
    async def ask_in_a_call(ctx: Context, q: str) -> str:
        return await ctx.task(ask, input={"q": q})

    async with VirtualPlatform() as platform:
        for component in (ask, ask_in_a_step, ask_in_a_call, made_outside_of_the_step):
            with pytest.raises(ComponentError, match="make the agent inside the function or step"):
                await platform.run(component, "secret")

    assert model.requests == []


async def test_an_agent_that_is_kept_from_one_run_to_the_next_is_refused() -> None:
    model = scripted("hello", "and again")
    kept: list[Agent] = []

    @function
    def ask(q: str) -> str:
        if not kept:
            kept.append(Agent(model, callback_handler=None))
        return kept[0](q).output

    async with VirtualPlatform() as platform:
        assert await platform.run(ask, "first") == "hello"
        with pytest.raises(ComponentError, match="make the agent inside"):
            await platform.run(ask, "second")

    assert len(model.requests) == 1


def talk(q: str) -> list[str]:
    agent = Agent(FunctionModel(lambda asked: f"{len(asked.messages)}"), callback_handler=None)
    return [agent(q).output, agent("more").output]


@pytest.mark.parametrize("in_a_step", [False, True])
async def test_a_conversation_in_sync_code_survives_a_crash_at_any_moment(in_a_step: bool) -> None:  # noqa: FBT001
    @workflow
    async def step_by_step(ctx: Context, q: str) -> list[str]:
        return await ctx.step("talk", talk, q)

    survived = await crash_everywhere(step_by_step if in_a_step else function(talk), "q")

    assert survived.finished.result == ["1", "3"]
