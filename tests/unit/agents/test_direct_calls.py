"""Tools that the program calls itself: `agent.tool.name(...)`."""

from typing import Any

import pytest

from towpath import Agent, script, tool, tool_call
from towpath.agents.hooks import AfterToolCallEvent, BeforeToolCallEvent, MessageAddedEvent
from towpath.errors import ApprovalRequiredError, ConcurrencyError, ContextError
from towpath.tools.confirmation import confirming
from towpath.tools.function_tool import tool_of


def add_up(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


ADD_UP = tool_of(add_up, name="add-up")


def adding(**said: Any) -> Agent:
    return Agent("test/echo", tools=[ADD_UP], callback_handler=None, **said)


def test_a_tool_is_called_like_a_method_and_the_call_is_written_down() -> None:
    agent = adding()

    result = agent.tool.add_up(a=1, b=2)

    use = {"toolUseId": result["toolUseId"], "name": "add-up", "input": {"a": 1, "b": 2}}
    assert result == {"toolUseId": use["toolUseId"], "status": "success", "content": [{"text": "3"}]}
    assert agent.messages == [
        {
            "role": "user",
            "content": [{"text": 'agent.tool.add-up direct tool call.\nInput parameters: {"a":1,"b":2}\n'}],
        },
        {"role": "assistant", "content": [{"toolUse": use}]},
        {"role": "user", "content": [{"toolResult": result}]},
        {"role": "assistant", "content": [{"text": "agent.tool.add-up was called."}]},
    ]


async def test_it_works_inside_a_running_loop() -> None:
    assert adding().tool.add_up(a=1)["content"] == [{"text": "2"}]


def test_the_note_may_be_the_callers() -> None:
    agent = adding()

    agent.tool.add_up(a=1, user_message_override="Adding for the report.")

    assert agent.messages[0]["content"][0] == {"text": "Adding for the report.\n"}


@pytest.mark.parametrize(("ours", "calls"), [(False, None), (True, False)])
def test_recording_is_off_for_the_agent_or_for_one_call(ours: bool, calls: bool | None) -> None:  # noqa: FBT001
    agent = adding(record_direct_tool_call=ours)

    agent.tool.add_up(a=1, record_direct_tool_call=calls)

    assert agent.messages == []


def test_bad_arguments_are_an_error_result() -> None:
    result = adding().tool.add_up(a="many")

    assert result["status"] == "error"
    assert result["content"][0]["text"].startswith("Error: Validation failed for input parameters:")


def test_an_unknown_tool_is_an_attribute_error_that_names_those_there_are() -> None:
    with pytest.raises(AttributeError, match="agent has no tool 'subtract'; there is add-up"):
        adding().tool.subtract(a=1)


def test_hooks_hear_it() -> None:
    heard: list[str] = []
    agent = adding()
    for kind in (BeforeToolCallEvent, AfterToolCallEvent, MessageAddedEvent):
        agent.add_hook(lambda event: heard.append(type(event).__name__), kind)

    agent.tool.add_up(a=1)

    assert heard == ["BeforeToolCallEvent", "AfterToolCallEvent", *["MessageAddedEvent"] * 4]


def test_during_a_conversation_it_is_refused_unless_it_is_not_recorded() -> None:
    errors: list[Exception] = []

    @tool
    def nosy(agent: Any) -> str:
        """Call the agent's own tools."""
        try:
            agent.tool.add_up(a=1)
        except ConcurrencyError as error:
            errors.append(error)
        return agent.tool.add_up(a=1, record_direct_tool_call=False)["content"][0]["text"]

    script("nosy", [tool_call("nosy"), "done"])
    agent = Agent(
        "test/nosy", tools=[ADD_UP, nosy], callback_handler=None, concurrent_invocation_mode="queue"
    )

    agent("go")

    assert len(errors) == 1
    assert agent.messages[2]["content"][0]["toolResult"]["content"] == [{"text": "2"}]


def test_a_tool_that_wants_a_yes_is_not_run_without_one() -> None:
    ran: list[str] = []

    @tool(confirmation=True)
    def drop(table: str) -> str:
        """Drop a table."""
        ran.append(table)
        return "dropped"

    agent = Agent("test/echo", tools=[drop], callback_handler=None)

    with pytest.raises(ApprovalRequiredError):
        agent.tool.drop(table="users")
    with confirming(lambda proposed: proposed.arguments == {"table": "logs"}):
        refused = agent.tool.drop(table="users")
        agent.tool.drop(table="logs")

    assert refused["status"] == "error"
    assert ran == ["logs"]


def test_a_question_of_a_hook_is_answered_at_once_or_refused_and_forgotten() -> None:
    def ask(event: BeforeToolCallEvent) -> None:
        event.interrupt("sure?")

    agent = adding(hooks=[ask])

    with pytest.raises(ApprovalRequiredError, match=r"'sure\?', and nobody can be asked"):
        agent.tool.add_up(a=1)
    said, waiting = [*agent.messages], agent.conversation.interrupts.to_dict()
    with confirming(lambda proposed: proposed.question == "sure?"):
        answered = agent.tool.add_up(a=1)

    assert (said, waiting["interrupts"], waiting["activated"]) == ([], {}, False)
    assert answered["status"] == "success"


def test_nothing_is_written_into_a_conversation_that_waits_for_a_person() -> None:
    def ask(event: BeforeToolCallEvent) -> None:
        event.interrupt("sure?")

    script("asked", [tool_call("add-up", a=1), "done"])
    agent = Agent("test/asked", tools=[ADD_UP], callback_handler=None, hooks=[ask])
    agent("go")

    with pytest.raises(ContextError, match="waits for a person"):
        agent.tool.add_up(a=1)


async def test_in_a_run_a_call_is_made_only_if_it_is_not_recorded() -> None:
    given: list[Any] = []

    @tool
    def nosy(agent: Any) -> str:
        """Call the agent's own tools."""
        with pytest.raises(ConcurrencyError):
            agent.tool.add_up(a=1)
        given.append(agent.tool.add_up(a=1, record_direct_tool_call=False)["content"])
        return "looked"

    script("nosy", [tool_call("nosy"), "done"])

    await Agent("test/nosy", tools=[ADD_UP, nosy]).run("go")

    assert given == [[{"text": "2"}]]
