"""Agents as tools of other agents."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import (
    Agent,
    ModelReply,
    ModelRequest,
    Session,
    ToolCall,
    script,
    tool,
    tool_call,
    workflow,
)
from towpath.agents.session_managers.files import FileSessionManager
from towpath.errors import ApprovalRequiredError, ConfigurationError
from towpath.testing import VirtualPlatform
from towpath.tools.agent_tool import AgentTool


def result_of(agent: Agent) -> dict[str, Any]:
    """Return the first tool result in a conversation."""
    return next(
        block["toolResult"]
        for message in agent.messages
        for block in message["content"]
        if "toolResult" in block
    )


def coordinator(*tools: Any, **said: Any) -> Agent:
    return Agent("test/coordinator", tools=[*tools], callback_handler=None, name="coordinator", **said)


def test_an_agent_answers_another_ones_model() -> None:
    script("billing", ["You were charged once."])
    script("coordinator", [tool_call("billing_desk", input="charged twice?"), "All is well."])
    billing = Agent(
        "test/billing", name="Billing Desk", description="Knows of invoices.", callback_handler=None
    )
    asking = coordinator(billing)

    answer = asking("I was charged twice")

    assert str(answer) == "All is well.\n"
    assert result_of(asking)["content"] == [{"text": "You were charged once.\n"}]
    assert asking.toolbox["billing_desk"].description == "Knows of invoices."
    assert asking.toolbox["billing_desk"].input_schema["required"] == ["input"]
    assert billing.messages == []


def test_name_and_description_may_be_said() -> None:
    made = Agent("test/echo", name="Billing").as_tool("ask_billing", "Ask them.")

    assert (made.name, made.description) == ("ask_billing", "Ask them.")
    assert AgentTool(Agent("test/echo")).name == "agent"


def test_a_structured_answer_is_json() -> None:
    class Invoice(BaseModel):
        amount: int

    script("billing", [tool_call("Invoice", amount=3)])
    script("coordinator", [tool_call("billing", input="?"), "ok"])
    asking = coordinator(Agent("test/billing", name="billing", structured_output_model=Invoice))

    asking("go")

    assert result_of(asking)["content"] == [{"json": {"amount": 3}}]


def test_an_agent_that_fails_is_an_error_result() -> None:
    script("billing", [RuntimeError("no connection")])
    script("coordinator", [tool_call("billing", input="?"), "sorry"])
    asking = coordinator(Agent("test/billing", name="billing", retry_strategy=None))

    asking("go")

    assert result_of(asking)["status"] == "error"
    assert result_of(asking)["content"][0]["text"].startswith("Agent error: ")


async def test_one_agent_is_asked_several_times_at_once() -> None:
    together = asyncio.Barrier(3)

    class Meeting:
        name = "test/meeting"

        async def generate(self, request: ModelRequest) -> ModelReply:
            await together.wait()
            return ModelReply(text=request.messages[-1].content)

    calls = [ToolCall(id=f"c{number}", name="guide", arguments={"input": str(number)}) for number in range(3)]
    script("coordinator", [calls, "done"])
    asking = coordinator(Agent(Meeting(), name="guide"))

    async with asyncio.timeout(10):
        await asking.invoke_async("go")

    told = [block["toolResult"]["content"][0]["text"] for block in asking.messages[2]["content"]]
    assert told == ["0\n", "1\n", "2\n"]


def test_with_its_context_preserved_it_goes_on_with_its_own_conversation() -> None:
    script("guide", lambda request: f"answer to {len(request.messages)}")
    script(
        "coordinator",
        lambda request: tool_call("guide", input="?") if len(request.messages) % 4 == 1 else "ok",
    )
    guide = Agent("test/guide", name="guide", callback_handler=None)
    asking = coordinator(guide.as_tool(preserve_context=True))

    asking("one")
    asking("two")

    assert [message["content"][0]["text"] for message in guide.messages] == [
        "?",
        "answer to 1",
        "?",
        "answer to 3",
    ]


def test_an_agent_with_a_session_manager_is_a_tool_only_with_its_context(tmp_path: Path) -> None:
    guide = Agent("test/echo", name="guide", session_manager=FileSessionManager("s", tmp_path))

    with pytest.raises(ConfigurationError, match="preserve_context=True"):
        guide.as_tool()

    assert guide.as_tool(preserve_context=True).name == "guide"


async def test_what_it_tells_is_told_as_what_the_tool_yields() -> None:
    script("guide", ["There it is."])
    script("coordinator", [tool_call("guide", input="where?"), "done"])
    asking = coordinator(Agent("test/guide", name="guide", callback_handler=None))

    events = [
        event["tool_stream_event"]
        async for event in asking.stream_async("go")
        if "tool_stream_event" in event
    ]

    assert {event["tool_use"]["name"] for event in events} == {"guide"}
    assert "".join(event["data"].get("data", "") for event in events) == "There it is."
    assert events[-1]["data"]["result"].output == "There it is."


# --- Questions to a person ----------------------------------------------------------------------------


def deploying(log: list[str]) -> Agent:
    @tool(confirmation=True)
    def deploy(version: str) -> str:
        """Deploy."""
        log.append(version)
        return f"{version} is live"

    script("deployer", [tool_call("deploy", version="1"), tool_call("deploy", version="2"), "Both are live."])
    script("coordinator", [tool_call("deployer", input="go"), "Done."])
    return coordinator(Agent("test/deployer", name="deployer", tools=[deploy], callback_handler=None))


def test_a_question_of_the_asked_agent_pauses_the_asking_one_until_it_is_answered() -> None:
    log: list[str] = []
    asking = deploying(log)

    first = asking("go")
    second = asking([{"interruptResponse": {"interruptId": first.interrupts[0].id, "response": "yes"}}])
    third = asking([{"interruptResponse": {"interruptId": second.interrupts[0].id, "response": "no"}}])

    assert [first.status, second.status, third.status] == ["paused", "paused", "completed"]
    assert first.interrupts[0].reason == {"tool": "deploy", "arguments": {"version": "1"}}
    assert second.interrupts[0].reason == {"tool": "deploy", "arguments": {"version": "2"}}
    assert log == ["1"]
    assert result_of(asking)["content"] == [{"text": "Both are live.\n"}]
    assert asking.conversation.interrupts.paused == {}


async def test_in_a_run_where_nobody_can_be_asked_nothing_is_done() -> None:
    log: list[str] = []

    with pytest.raises(ApprovalRequiredError):
        await deploying(log).run("go")

    assert log == []


# --- In a session, and on the platform ----------------------------------------------------------------


async def test_it_speaks_in_the_session_of_the_caller() -> None:
    script("guide", lambda request: f"I see {len(request.messages)} messages.")
    script(
        "coordinator",
        lambda request: "ok" if request.messages[-1].role == "tool" else tool_call("guide", input="?"),
    )
    session = Session("shared-1", user_id="user-1")
    asking = coordinator(Agent("test/guide", name="guide"), session=session)

    await asking.run("one")
    await asking.run("two")

    history = await session.history()
    assert [message.metadata["agent"] for message in history] == [
        *["guide"] * 2,
        *["coordinator"] * 4,
        *["guide"] * 2,
        *["coordinator"] * 4,
    ]
    assert history[7].content == "I see 7 messages."


@pytest.mark.parametrize("always_replay", [False, True], ids=["held", "replayed"])
async def test_on_the_platform_it_answers_in_the_callers_run(always_replay: bool) -> None:  # noqa: FBT001
    looked: list[str] = []

    @tool
    def look_up(invoice: str) -> str:
        """Look up."""
        looked.append(invoice)
        return f"{invoice}: paid"

    script(
        "billing", [tool_call("look_up", invoice="a"), tool_call("look_up", invoice="b"), "Both are paid."]
    )
    calls = [ToolCall(id=f"c{number}", name="billing", arguments={"input": "?"}) for number in range(2)]
    script("coordinator", [calls, "Thank you."])
    asking = coordinator(Agent("test/billing", name="billing", tools=[look_up]))

    @workflow
    async def support(ctx: Any, question: str) -> str:
        return (await asking.run(question)).output

    async with VirtualPlatform(always_replay=always_replay) as platform:
        assert await platform.run(support, "charged twice?") == "Thank you."

    assert sorted(looked) == ["a", "a", "b", "b"]
