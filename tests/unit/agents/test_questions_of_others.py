"""Questions that another agent asks than the one that was called: whom it was handed to, or who is its tool."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from towpath import Agent, ModelRequest, script, tool, tool_call, workflow
from towpath.agents.hooks import AfterInvocationEvent, BeforeInvocationEvent, BeforeToolCallEvent
from towpath.agents.interrupts import InterruptState
from towpath.agents.result import AgentResult
from towpath.agents.session_managers.files import FileSessionManager
from towpath.components import REGISTRY
from towpath.errors import ApprovalRequiredError, ConfigurationError
from towpath.testing import VirtualPlatform
from towpath.tools.confirmation import confirming

Goes = Callable[[Agent, Callable[[], Agent]], Agent]


def answers(paused: AgentResult, said: Any = "yes") -> list[dict[str, Any]]:
    return [{"interruptResponse": {"interruptId": paused.interrupts[0].id, "response": said}}]


def results_of(agent: Agent) -> list[str]:
    blocks = [block for message in agent.messages for block in message["content"]]
    return [one["toolResult"]["content"][0]["text"] for one in blocks if "toolResult" in one]


def here(agent: Agent, make: Callable[[], Agent]) -> Agent:
    return agent


def from_a_snapshot(agent: Agent, make: Callable[[], Agent]) -> Agent:
    REGISTRY.clear()
    made = make()
    made.load_snapshot(agent.take_snapshot(preset="session"))
    return made


def from_files(agent: Agent, make: Callable[[], Agent]) -> Agent:
    REGISTRY.clear()
    return make()


WAYS = pytest.mark.parametrize("goes", [here, from_a_snapshot, from_files])
"""Where the conversation goes on: in this process, or in another."""


# --- After a handoff ----------------------------------------------------------------------------------


class Desk:
    """A guide that hands over to a clerk, who pays after a yes; the guide has a tool of the same name."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.done, self.heard = folder, list[str](), list[str]()
        script(
            "guide", lambda request: "Hello again." if _was_paid(request) else tool_call("transfer_to_clerk")
        )
        script("clerk", lambda request: "Settled." if _was_paid(request) else tool_call("pay", amount=3))

    def guide(self, **said: Any) -> Agent:
        @tool(name="pay", confirmation=True)
        def pay(amount: int) -> str:
            self.done.append(f"clerk pays {amount}")
            return "paid"

        @tool(name="pay")
        def play(amount: int) -> str:
            self.done.append(f"guide plays {amount}")
            return "paid"

        clerk = Agent("test/clerk", name="clerk", tools=[pay], hooks=[self._tool], callback_handler=None)
        keeper = FileSessionManager("s1", self.folder)
        said = {"handoffs": [clerk], **said}
        hooks = [self._begins, self._ends]
        return Agent(
            "test/guide",
            name="guide",
            tools=[play],
            hooks=hooks,
            session_manager=keeper,
            callback_handler=None,
            **said,
        )

    def _tool(self, event: BeforeToolCallEvent) -> None:
        self.heard.append(f"{event.agent.name} calls {event.tool_use['name']}")

    def _begins(self, event: BeforeInvocationEvent) -> None:
        self.heard.append(f"{event.agent.name} begins")

    def _ends(self, event: AfterInvocationEvent) -> None:
        self.heard.append(f"{event.agent.name} ends")


def _was_paid(request: ModelRequest) -> bool:
    last = request.messages[-1]
    return last.role == "tool" and "takes over" not in last.content


@WAYS
@pytest.mark.parametrize(("said", "done"), [("yes", ["clerk pays 3"]), ("no", [])])
def test_the_agent_that_asked_goes_on_with_the_answer(
    goes: Goes, said: str, done: list[str], tmp_path: Path
) -> None:
    desk = Desk(tmp_path)
    agent = desk.guide()

    paused = agent("Settle my bill.")
    agent = goes(agent, desk.guide)
    ended = agent(answers(paused, said))

    assert (paused.status, paused.agent) == ("paused", "clerk")
    assert (ended.output, ended.agent, ended.handoff_to) == ("Settled.", "clerk", "clerk")
    assert desk.done == done
    assert results_of(agent)[0] == "clerk takes over"
    assert len(results_of(agent)) == 2


def test_hooks_hear_the_agent_that_asked_go_on(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    agent = desk.guide()

    agent(answers(agent("Settle my bill.")))

    assert desk.heard == ["guide begins", "clerk calls pay", "guide ends"] * 2


def test_a_fresh_prompt_begins_with_the_agent_that_is_called(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    agent = desk.guide()
    agent(answers(agent("Settle my bill.")))
    script("guide", lambda _request: "Guide here.")

    again = agent("Who is there?")

    assert (again.output, again.agent, again.handoff_to) == ("Guide here.", "guide", None)


def test_a_cancelled_question_is_forgotten(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    agent = desk.guide()
    paused = agent("Settle my bill.")

    agent.cancel()
    cancelled = agent(answers(paused))
    script("guide", lambda _request: "Guide here.")
    again = agent("Who is there?")

    assert (cancelled.stop_reason, desk.done) == ("cancelled", [])
    assert (again.output, again.agent) == ("Guide here.", "guide")


def test_an_agent_that_is_not_there_any_more_is_named(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    agent = desk.guide()

    paused = agent("Settle my bill.")
    agent = from_files(agent, lambda: desk.guide(handoffs=[]))

    with pytest.raises(ConfigurationError, match=r"answer to 'clerk'.*handoffs=\[\.\.\.\] of guide"):
        agent(answers(paused))
    assert desk.done == []


# --- Of a tool ----------------------------------------------------------------------------------------


class Office:
    """A guide whose tool is a clerk, who looks first and pays after a yes; with files, if there is a folder."""

    def __init__(self, folder: Path | None = None, *, preserve_context: bool = False) -> None:
        self.folder, self.preserve_context, self.done = folder, preserve_context, list[str]()
        script("guide", self._guide)
        script("clerk", self._clerk)

    def guide(self) -> Agent:
        @tool
        def look() -> str:
            self.done.append("look")
            return "seen"

        @tool(confirmation=True)
        def pay(amount: int) -> str:
            self.done.append(f"pay {amount}")
            return "paid"

        kept = self._kept("clerk") if self.preserve_context else None
        self.clerk = Agent(
            "test/clerk", name="clerk", tools=[look, pay], session_manager=kept, callback_handler=None
        )
        clerk = self.clerk.as_tool(preserve_context=self.preserve_context)
        return Agent(
            "test/guide",
            name="guide",
            tools=[clerk],
            session_manager=self._kept("guide"),
            callback_handler=None,
        )

    def _kept(self, name: str) -> FileSessionManager | None:
        return None if self.folder is None else FileSessionManager(name, self.folder)

    def _guide(self, request: ModelRequest) -> Any:
        last = request.messages[-1]
        return tool_call("clerk", input="Pay.") if last.role == "user" else f"Clerk says: {last.content}"

    def _clerk(self, request: ModelRequest) -> Any:
        begun = max(place for place, one in enumerate(request.messages) if one.role == "user")
        said = (tool_call("look"), tool_call("pay", amount=3), "Settled.")
        return said[sum(one.role == "assistant" for one in request.messages[begun:])]


@WAYS
@pytest.mark.parametrize(("said", "done"), [("yes", ["look", "pay 3"]), ("no", ["look"])])
def test_an_agent_that_is_a_tool_goes_on_with_the_answer(
    goes: Goes, said: str, done: list[str], tmp_path: Path
) -> None:
    office = Office(tmp_path if goes is from_files else None)
    agent = office.guide()

    paused = agent("Settle my bill.")
    agent = goes(agent, office.guide)
    ended = agent(answers(paused, said))

    assert (paused.status, ended.output) == ("paused", "Clerk says: Settled.\n")
    assert office.done == done


@pytest.mark.parametrize("goes", [here, from_files])
def test_a_question_in_a_context_that_is_preserved_is_the_callers(goes: Goes, tmp_path: Path) -> None:
    office = Office(tmp_path if goes is from_files else None, preserve_context=True)
    agent = office.guide()

    paused = agent("Settle my bill.")
    agent = goes(agent, office.guide)
    ended = agent(answers(paused))
    second = agent("And the other one.")
    again = agent(answers(second, "no"))

    assert [one.status for one in (paused, ended, second, again)] == ["paused", "completed"] * 2
    assert (ended.output, again.output) == ("Clerk says: Settled.\n",) * 2
    assert office.done == ["look", "pay 3", "look"]
    assert len(office.clerk.messages) == 12


def test_an_answer_to_a_context_that_is_not_there_any_more_does_nothing_twice() -> None:
    office = Office(preserve_context=True)
    agent = office.guide()

    paused = agent("Settle my bill.")
    agent = from_a_snapshot(agent, office.guide)
    ended = agent(answers(paused))

    assert "give clerk a session or session_manager, or preserve_context=False" in ended.output
    assert office.done == ["look"]


def test_nothing_waits_for_a_question_in_a_direct_call() -> None:
    def ask(event: BeforeToolCallEvent) -> None:
        event.interrupt(f"sure of {event.tool_use['name']}?")

    script("clerk", [[tool_call("look"), tool_call("pay")]])
    clerk = Agent("test/clerk", name="clerk", hooks=[ask], callback_handler=None)
    agent = Agent("test/guide", tools=[clerk], callback_handler=None)

    with pytest.raises(ApprovalRequiredError, match="sure of look"):
        agent.tool.clerk(input="Look.")

    assert agent.conversation.interrupts.to_dict() == InterruptState().to_dict()


async def test_a_context_that_is_preserved_asks_nobody_where_nobody_can_be_asked() -> None:
    office = Office(preserve_context=True)

    with pytest.raises(Exception, match="nobody can be asked here"):
        await office.guide().run("Settle my bill.")

    assert office.done == ["look"]


def wary(done: list[str]) -> tuple[Agent, Agent]:
    """A guide, and the clerk that it asks, whose hook has a question about each payment."""

    def pay(amount: int) -> str:
        done.append(f"pay {amount}")
        return "paid"

    def ask(event: BeforeToolCallEvent) -> None:
        event.interrupt("sure?")

    script("clerk", lambda request: _heard(request) or tool_call("pay", amount=3))
    script("guide", lambda request: _heard(request) or tool_call("clerk", input="Pay."))
    clerk = Agent("test/clerk", name="clerk", tools=[pay], hooks=[ask], callback_handler=None)
    tools = [clerk.as_tool(preserve_context=True)]
    return Agent("test/guide", name="guide", tools=tools, callback_handler=None), clerk


def _heard(request: ModelRequest) -> str | None:
    """What a model says after its tool has answered."""
    return request.messages[-1].content if request.messages[-1].role == "tool" else None


async def test_a_context_that_is_preserved_does_not_wait_for_what_nobody_can_answer() -> None:
    done: list[str] = []
    guide, clerk = wary(done)

    with pytest.raises(ApprovalRequiredError, match=r"sure\?"):
        await guide.run("Settle my bill.")
    waiting = clerk.conversation.interrupts.to_dict()
    again = await clerk.invoke_async("Pay yourself.")

    assert (waiting, done) == (InterruptState().to_dict(), [])
    assert [one.name for one in again.interrupts] == ["sure?"]


async def test_a_context_that_is_preserved_asks_the_handler_of_the_run() -> None:
    done: list[str] = []
    guide, clerk = wary(done)

    with confirming(lambda proposed: proposed.question == "sure?"):
        ended = await guide.run("Settle my bill.")

    assert (ended.output, done) == ("paid\n", ["pay 3"])
    assert len(clerk.messages) == 4


async def test_a_run_is_told_of_a_context_that_waits_for_another_answer() -> None:
    done: list[str] = []
    guide, clerk = wary(done)
    paused = await clerk.invoke_async("Pay yourself.")

    ended = await guide.run("Settle my bill.")
    await clerk.invoke_async(answers(paused))

    assert "Agent error: the conversation waits for answers" in ended.output
    assert done == ["pay 3"]


async def test_on_the_platform_no_context_can_be_preserved() -> None:
    guide = Office(preserve_context=True).guide()

    @workflow
    async def asks(ctx: Any) -> str:
        return (await guide.run("Settle my bill.")).output

    async with VirtualPlatform() as platform:
        assert "make clerk a tool with preserve_context=False" in await platform.run(asks)
