"""Stopping a conversation or a run: while the model speaks, before and during tools, before it begins."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath import Agent, ModelReply, ModelRequest, null_callback_handler, tool, tool_call
from towpath.agents.hooks import AfterModelCallEvent
from towpath.models.port import Piece
from towpath.testing import FunctionModel, scripted


class Speaking:
    """A model that says a word, and then nothing until it is stopped."""

    name = "speaking"

    def __init__(self) -> None:
        self.spoke = asyncio.Event()

    async def generate(self, request: ModelRequest) -> ModelReply:
        self.spoke.set()
        await asyncio.Event().wait()
        raise AssertionError("it is never let go on")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        yield "once "
        self.spoke.set()
        await asyncio.Event().wait()


def results_of(agent: Agent) -> list[Any]:
    blocks = [block for message in agent.messages for block in message["content"]]
    return [
        (one["toolResult"]["status"], one["toolResult"]["content"]) for one in blocks if "toolResult" in one
    ]


@pytest.mark.parametrize(
    ("handler", "text"),
    [(null_callback_handler, "once "), (None, "Cancelled by user")],
    ids=["heard", "not heard"],
)
async def test_what_was_said_until_then_is_kept(handler: Any, text: str) -> None:
    model = Speaking()
    agent = Agent(model, callback_handler=handler)
    call = asyncio.create_task(agent.invoke_async("q"))
    await model.spoke.wait()

    agent.cancel()
    result = await call

    assert (result.stop_reason, result.status, result.output) == ("cancelled", "cancelled", text)
    assert agent.messages[-1]["metadata"]["cancelled"] is True


async def test_any_thread_may_ask_and_more_than_once() -> None:
    model = Speaking()
    agent = Agent(model, callback_handler=None)
    call = asyncio.create_task(agent.invoke_async("q"))
    await model.spoke.wait()

    threads = [threading.Thread(target=agent.cancel) for _ in range(3)]
    for thread in threads:
        thread.start()
    result = await call
    for thread in threads:
        thread.join()

    assert result.status == "cancelled"


async def test_tools_that_have_not_begun_are_not_called() -> None:
    called: list[int] = []
    agent = Agent(scripted(tool_call("act")), tools=[_act(called)], callback_handler=None)
    agent.add_hook(lambda _: agent.cancel(), AfterModelCallEvent)

    result = await agent.invoke_async("q")

    assert (result.stop_reason, called) == ("cancelled", [])
    assert "toolUse" in result.message["content"][0]
    assert results_of(agent) == [("error", [{"text": "Tool execution cancelled"}])]


async def test_a_tool_that_works_is_waited_for_and_nothing_comes_after_it() -> None:
    def act() -> str:
        agent.cancel()
        return "finished"

    agent = Agent(scripted(tool_call("act"), "never said"), tools=[act], callback_handler=None)

    result = await agent.invoke_async("q")

    assert result.stop_reason == "cancelled"
    assert results_of(agent) == [("success", [{"text": "finished"}])]
    assert agent.messages[-1]["role"] == "user"


async def test_a_call_that_was_cancelled_before_it_began_asks_nobody_and_the_next_one_works() -> None:
    model = scripted("unused", "hello")
    agent = Agent(model, callback_handler=None)
    agent.cancel()

    cancelled = await agent.invoke_async("q")
    result = await agent.invoke_async("q")

    assert (cancelled.output, cancelled.stop_reason) == ("Cancelled by user", "cancelled")
    assert (result.output, len(model.requests)) == ("hello", 1)


async def test_a_run_is_cancelled_by_itself() -> None:
    model = Speaking()
    agent = Agent(model)
    run, other = agent.run("q"), Agent(scripted("hello")).run("q")
    call = asyncio.ensure_future(_awaited(run))
    await model.spoke.wait()

    run.cancel()

    assert ((await call).status, (await other).status) == ("cancelled", "completed")


async def test_cancelling_an_agent_stops_its_runs_too() -> None:
    model = Speaking()
    agent = Agent(model)
    call = asyncio.ensure_future(_awaited(agent.run("q")))
    await model.spoke.wait()

    agent.cancel()

    assert (await call).status == "cancelled"


async def _awaited(run: Any) -> Any:
    return await run


async def test_a_task_that_is_cancelled_leaves_what_the_next_prompt_repairs() -> None:
    working = asyncio.Event()

    async def act() -> None:
        working.set()
        await asyncio.Event().wait()

    agent = Agent(scripted(tool_call("act"), "hello"), tools=[act], callback_handler=None)
    call = asyncio.create_task(agent.invoke_async("q"))
    await working.wait()
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)

    result = await agent.invoke_async("again")

    assert result.output == "hello"
    assert results_of(agent) == [("error", [{"text": "Tool was interrupted."}])]


def _act(called: list[int]) -> Any:
    def act() -> None:
        called.append(1)

    return act


# --- Agents that are asked as tools ---------------------------------------------------------------------


@pytest.mark.parametrize("preserve_context", [False, True], ids=["apart", "in its own conversation"])
@pytest.mark.parametrize("handler", [null_callback_handler, None], ids=["heard", "not heard"])
async def test_whom_it_asks_is_stopped_with_it(handler: Any, preserve_context: bool) -> None:  # noqa: FBT001
    model = Speaking()
    below = Agent(model, callback_handler=handler).as_tool(name="below", preserve_context=preserve_context)
    between = Agent(scripted(tool_call("below", input="q")), tools=[below], callback_handler=None)
    agent = Agent(
        scripted(tool_call("between", input="q")),
        tools=[between.as_tool(name="between")],
        callback_handler=None,
    )
    call = asyncio.create_task(agent.invoke_async("q"))
    await model.spoke.wait()

    agent.cancel()
    result = await call

    assert (result.stop_reason, len(results_of(agent))) == ("cancelled", 1)


async def test_a_run_that_is_cancelled_stops_whom_its_tools_ask() -> None:
    model = Speaking()

    @tool
    async def consult() -> str:
        """Ask somebody else."""
        return (await Agent(model, callback_handler=None).run("q")).status

    run = Agent(scripted(tool_call("consult"), "done"), tools=[consult]).run("q")
    call = asyncio.ensure_future(run)
    await model.spoke.wait()

    run.cancel()

    assert (await call).status == "cancelled"


async def test_who_was_stopped_with_another_speaks_again() -> None:
    model = Speaking()
    below = Agent(model, callback_handler=None)
    asks = below.as_tool(name="below", preserve_context=True)
    agent = Agent(scripted(tool_call("below", input="q"), "done"), tools=[asks], callback_handler=None)
    call = asyncio.create_task(agent.invoke_async("q"))
    await model.spoke.wait()
    agent.cancel()
    await call

    below.model = FunctionModel(lambda _asked: "here I am")

    assert (await below.invoke_async("q")).output == "here I am"
    assert (await agent.invoke_async("q")).output == "done"
