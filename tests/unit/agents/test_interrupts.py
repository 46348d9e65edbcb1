"""Questions to a person: the conversation stops at them, and goes on when they are answered."""

from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest

from towpath import Agent, tool, tool_call
from towpath.agents.executors import SequentialToolExecutor
from towpath.agents.hooks import BeforeToolCallEvent
from towpath.components import REGISTRY
from towpath.errors import ApprovalRequiredError
from towpath.testing import scripted
from towpath.tools.calls import ToolCall


def answers(*given: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"interruptResponse": {"interruptId": number, "response": said}} for number, said in given]


def results_of(agent: Agent) -> list[str]:
    blocks = [block for message in agent.messages for block in message["content"]]
    return [one["toolResult"]["content"][0]["text"] for one in blocks if "toolResult" in one]


class Desk:
    """An agent that asks before it deletes, and notes what it does."""

    def __init__(self, **said: Any) -> None:
        self.done: list[str] = []

        def delete(path: str) -> str:
            self.done.append(path)
            return f"deleted {path}"

        def look() -> str:
            self.done.append("look")
            return "seen"

        calls = (
            ToolCall(id="c1", name="delete", arguments={"path": "drafts"}),
            ToolCall(id="c2", name="look"),
        )
        self.agent = Agent(
            scripted(calls, "done"), tools=[delete, look], hooks=[self.ask], callback_handler=None, **said
        )

    def ask(self, event: BeforeToolCallEvent) -> None:
        if event.tool_use["name"] == "delete" and event.interrupt("sure", {"path": "drafts"}) != "yes":
            event.cancel_tool = "the user said no"


@pytest.mark.parametrize(
    ("said", "results"),
    [("yes", ["deleted drafts", "seen"]), ("no", ["the user said no", "seen"])],
)
async def test_a_conversation_stops_at_a_question_and_goes_on_with_the_answer(
    said: str, results: list[str]
) -> None:
    desk = Desk()

    paused = await desk.agent.invoke_async("q")
    (interrupt,) = paused.interrupts
    ended = await desk.agent.invoke_async(answers((interrupt.id, said)))

    assert (paused.stop_reason, paused.status) == ("interrupt", "paused")
    assert interrupt.id == f"v1:before_tool_call:c1:{uuid5(NAMESPACE_OID, 'sure')}"
    assert (interrupt.name, interrupt.reason) == ("sure", {"path": "drafts"})
    assert (ended.output, results_of(desk.agent)) == ("done", results)
    assert desk.done.count("look") == 1


async def test_tools_one_after_the_other_stop_at_the_question() -> None:
    desk = Desk(tool_executor=SequentialToolExecutor())

    paused = await desk.agent.invoke_async("q")
    before = [*desk.done]
    await desk.agent.invoke_async(answers((paused.interrupts[0].id, "yes")))

    assert (before, desk.done) == ([], ["drafts", "look"])


async def test_another_process_goes_on_where_this_one_stopped() -> None:
    before = Desk()
    paused = await before.agent.invoke_async("q")
    REGISTRY.clear()

    after = Desk()
    after.agent.load_snapshot(before.agent.take_snapshot(preset="session"))
    ended = await after.agent.invoke_async(answers((paused.interrupts[0].id, "yes")))

    assert (ended.output, after.done) == ("done", ["drafts"])


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("go on", TypeError),
        (None, TypeError),
        ([{"text": "yes"}], TypeError),
        (answers(("v1:another", "yes")), KeyError),
    ],
    ids=["text", "nothing", "blocks", "another question"],
)
async def test_a_conversation_that_waits_takes_nothing_but_answers(
    prompt: Any, error: type[Exception]
) -> None:
    desk = Desk()
    await desk.agent.invoke_async("q")

    with pytest.raises(error):
        await desk.agent.invoke_async(prompt)


async def test_the_question_is_told() -> None:
    desk = Desk()

    told = [event async for event in desk.agent.stream_async("q")]

    (event,) = [one["tool_interrupt_event"] for one in told if "tool_interrupt_event" in one]
    assert event["tool_use"]["name"] == "delete"
    assert str(told[-1]["result"]).startswith("[{'id': 'v1:before_tool_call:c1:")


# --- Tools that want a yes ------------------------------------------------------------------------------------


def deploying(done: list[str]) -> Agent:
    @tool(confirmation=True)
    def deploy(version: str) -> str:
        done.append(version)
        return "deployed"

    return Agent(scripted(tool_call("deploy", version="2"), "done"), tools=[deploy], callback_handler=None)


@pytest.mark.parametrize(
    ("said", "done"), [("yes", ["2"]), (True, ["2"]), ("no", []), (False, []), ("maybe", [])]
)
async def test_a_tool_that_wants_a_yes_pauses_a_conversation(said: Any, done: list[str]) -> None:
    called: list[str] = []
    agent = deploying(called)

    paused = await agent.invoke_async("q")
    waiting = [*called]
    ended = await agent.invoke_async(answers((paused.interrupts[0].id, said)))

    assert paused.interrupts[0].reason == {"tool": "deploy", "arguments": {"version": "2"}}
    assert (waiting, called, ended.output) == ([], done, "done")


async def test_a_tool_that_wants_a_yes_fails_a_run_in_which_nobody_can_be_asked() -> None:
    called: list[str] = []

    with pytest.raises(ApprovalRequiredError):
        await deploying(called).run("q")
    assert called == []
