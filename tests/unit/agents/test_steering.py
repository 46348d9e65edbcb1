"""Runs of agents are spoken to, started beside the caller, and cancelled while they work."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath import Agent, Context, Session, tool, tool_call, workflow
from towpath.agents.run import AgentRun
from towpath.errors import ComponentError, ConfigurationError, ContextError
from towpath.models.port import ModelReply, ModelRequest, Piece
from towpath.testing import FunctionModel, VirtualPlatform, VirtualRun, crash_everywhere, scripted
from towpath_schemas.speaking import MESSAGE


def echo(request: ModelRequest) -> str:
    return " + ".join(message.content for message in request.messages if message.role == "user")


# --- Steering -------------------------------------------------------------------------------------------


async def test_what_is_said_to_a_run_meanwhile_is_heard_before_its_model_is_asked_again() -> None:
    runs: list[AgentRun] = []

    @tool
    def chat() -> str:
        """Chat."""
        runs[0].send("and hurry")
        return "chatted"

    model = scripted(tool_call("chat"), echo)
    runs.append(Agent(model, tools=[chat]).run("Go"))

    assert (await runs[0]).output == "Go + and hurry"


async def test_what_is_said_while_the_model_answers_makes_another_turn() -> None:
    runs: list[AgentRun] = []

    def first(_request: ModelRequest) -> str:
        runs[0].send("one more thing")
        return "done"

    runs.append(Agent(scripted(first, echo)).run("Go"))

    result = await runs[0]
    assert (result.output, result.iterations) == ("Go + one more thing", 2)


async def test_a_run_on_the_platform_is_spoken_to_by_a_signal_and_hears_it_once_wherever_it_dies() -> None:
    hasty = Agent(name="hasty", model=scripted(tool_call("approve_me"), echo), tools=[approve_me()])

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.signal(MESSAGE, "and hurry", signal_id="only-one")
        await platform.approve(run)

    survived = await crash_everywhere(hasty, "Go", script=script)

    assert survived.finished.result["output"] == "Go + and hurry"


def approve_me() -> Any:
    @tool(name="approve_me", confirmation=True)
    def act() -> str:
        """Act."""
        return "acted"

    return act


# --- Starting -------------------------------------------------------------------------------------------


async def test_in_a_script_a_run_is_started_beside_the_caller() -> None:
    begun = asyncio.Event()

    async def answer(_request: ModelRequest) -> str:
        begun.set()
        return "hello"

    run = Agent(FunctionModel(answer)).start("Hi")
    await begun.wait()

    assert isinstance(run, AgentRun)
    assert (await run).output == "hello"


def test_in_sync_code_nothing_can_be_started_beside_it() -> None:
    with pytest.raises(ContextError, match=r"in sync code, call agent\(...\)"):
        Agent(scripted("hello")).start("Hi")


async def test_in_a_run_an_agent_is_started_as_a_run_of_its_own_that_outlives_it() -> None:
    helper = Agent(name="helper", model=FunctionModel(echo))

    @workflow
    async def starts(ctx: Context) -> str:
        handle = helper.start("Work", session=Session("chat", user_id="ada", app_name="desk"))
        assert not isinstance(handle, AgentRun)
        return handle.run_id

    @workflow
    async def whose(ctx: Context) -> Any:
        return (await Session("chat").opened()).scope

    async with VirtualPlatform() as platform:
        child = platform.find(await platform.run(starts))
        assert (await child.result())["output"] == "Work"
        assert await platform.run(whose) == ["chat", "ada", "desk"]


async def test_an_agent_without_a_name_cannot_be_a_run_of_its_own() -> None:
    @workflow
    async def starts(ctx: Context) -> None:
        with pytest.raises(ConfigurationError, match="without a name"):
            Agent(scripted("x")).start("Work")

    async with VirtualPlatform() as platform:
        await platform.run(starts)


# --- Cancelling -----------------------------------------------------------------------------------------


async def test_a_cancelled_run_leaves_no_tool_call_unanswered_in_its_session() -> None:
    careful = Agent(name="careful", model=scripted(tool_call("approve_me")), tools=[approve_me()])

    async def script(_platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.cancel("enough")

    @workflow
    async def reads(ctx: Context) -> list[Any]:
        return [[one.role, one.content, one.failed] for one in await Session("chat").history()]

    async with VirtualPlatform() as platform:
        run = await platform.start(careful, {"prompt": "Go", "session_id": "chat"})
        await script(platform, run)
        with pytest.raises(ComponentError, match="enough"):
            await run.result()
        assert await platform.run(reads) == [
            ["user", "Go", False],
            ["assistant", "", False],
            ["tool", "Tool execution cancelled", True],
            ["assistant", "Cancelled by user", False],
        ]


async def test_what_a_model_was_saying_when_its_run_was_cancelled_is_kept() -> None:
    half_said = asyncio.Event()

    class Slow:
        name = "test/slow"

        async def generate(self, request: ModelRequest) -> ModelReply:
            raise AssertionError("it is to be heard while it speaks")

        async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
            yield "half an "
            half_said.set()
            await asyncio.Event().wait()

    @workflow
    async def reads(ctx: Context) -> list[Any]:
        return [[one.role, one.content] for one in await Session("chat").history()]

    async with VirtualPlatform(patience_s=0.05) as platform:
        run = await platform.start(Agent(Slow(), name="slow"), {"prompt": "Go", "session_id": "chat"})
        await half_said.wait()
        await run.cancel()
        await run.ended()
        assert await platform.run(reads) == [["user", "Go"], ["assistant", "half an "]]


async def test_a_cancelled_turn_is_in_its_session_once_wherever_the_run_dies() -> None:
    careful = Agent(name="careful", model=scripted(tool_call("approve_me")), tools=[approve_me()])
    appended: set[int] = set()

    async def script(_platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.cancel("enough")

    def count(run: VirtualRun) -> None:
        appends = [one for one in run.journal if getattr(one, "target", "").endswith("Session.append")]
        appended.add(len(appends))

    survived = await crash_everywhere(
        careful, {"prompt": "Go", "session_id": "chat"}, script=script, after_each=count
    )

    assert survived.finished.end == "cancelled"
    assert appended == {2}, "one intent and one outcome"
