"""Questions to a person: the conversation stops at them, and goes on when they are answered."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, uuid5

import pytest

from towpath import Agent, tool, tool_call
from towpath.agents.executors import SequentialToolExecutor
from towpath.agents.hooks import BeforeToolCallEvent
from towpath.agents.snapshots import Snapshot
from towpath.components import REGISTRY
from towpath.current import running_in
from towpath.errors import ApprovalRequiredError
from towpath.local.local_context import LocalContext
from towpath.local.surroundings import Surroundings
from towpath.testing import scripted
from towpath.tools.calls import ToolCall
from towpath.tools.confirmation import Confirmation


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
        ([{"interruptResponse": {"id": "v1:another", "response": "yes"}}], TypeError),
        ([{"interruptResponse": "yes"}], TypeError),
        (answers(("v1:another", "yes")), KeyError),
    ],
    ids=["text", "nothing", "blocks", "a misspelt answer", "a bare answer", "another question"],
)
async def test_a_conversation_that_waits_takes_nothing_but_answers(
    prompt: Any, error: type[Exception]
) -> None:
    desk = Desk()
    await desk.agent.invoke_async("q")

    with pytest.raises(error):
        await desk.agent.invoke_async(prompt)


async def test_of_answers_one_of_which_cannot_be_none_is_taken() -> None:
    desk = Desk()
    (asked,) = (await desk.agent.invoke_async("q")).interrupts

    with pytest.raises(KeyError, match="'v1:another' was raised"):
        await desk.agent.invoke_async(answers((asked.id, "yes"), ("v1:another", "yes")))

    assert desk.agent.conversation.interrupts.pending == [asked]


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


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def running(self) -> running_in:
        return running_in(LocalContext(surroundings=Surroundings(clock=lambda: self.now)))


def deploying_within_a_minute(done: list[str], *versions: str) -> Agent:
    @tool(confirmation=Confirmation(expires_s=60))
    def deploy(version: str) -> str:
        done.append(version)
        return "deployed"

    calls = [ToolCall(id=f"c{one}", name="deploy", arguments={"version": one}) for one in versions]
    return Agent(scripted(tuple(calls), "done"), tools=[deploy], callback_handler=None)


@pytest.mark.parametrize(
    ("seconds", "done", "told"),
    [(59, ["2"], "deployed"), (60, [], "deploy was not run: nobody approved it in time")],
)
@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "in another process"])
async def test_a_yes_is_no_longer_good_when_the_question_has_expired(
    seconds: int,
    done: list[str],
    told: str,
    elsewhere: bool,  # noqa: FBT001
) -> None:
    called: list[str] = []
    clock = Clock()
    agent = deploying_within_a_minute(called, "2")

    with clock.running():
        (asked,) = (await agent.invoke_async("q")).interrupts
        if elsewhere:
            written = agent.take_snapshot(preset="session").to_body()
            REGISTRY.clear()
            agent = deploying_within_a_minute(called, "2")
            agent.load_snapshot(Snapshot.from_body(written))
        clock.now += timedelta(seconds=seconds)
        await agent.invoke_async(answers((asked.id, "yes")))

    assert asked.expires_at == "2026-01-01T00:01:00+00:00"
    assert called == done
    assert told in results_of(agent)[0]


async def test_a_question_that_has_expired_is_not_waited_for() -> None:
    called: list[str] = []
    clock = Clock()
    agent = deploying_within_a_minute(called, "1", "2")

    with clock.running():
        (_, second) = (await agent.invoke_async("q")).interrupts
        clock.now += timedelta(seconds=60)
        ended = await agent.invoke_async(answers((second.id, "yes")))

    assert (ended.status, called) == ("completed", [])
