"""The page about the Agent in the documentation of elsai, sample by sample, as it is written there: only imports differ.

Where the page leaves out what a sample needs (a model, a prompt, a hook), it stands above the sample; its ellipses are
filled in. Its tables are tests of their own.
"""
# ruff: noqa: PERF401, RET504

import inspect
import threading
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import Agent, AgentState, ConcurrentInvocationMode, ModelRequest, script, tool, tool_call
from towpath.agents.hooks import BeforeModelCallEvent

PARAMETERS = {
    "model": None,
    "messages": None,
    "tools": None,
    "system_prompt": None,
    "structured_output_model": None,
    "callback_handler": ...,
    "conversation_manager": None,
    "record_direct_tool_call": True,
    "load_tools_from_directory": False,
    "trace_attributes": None,
    "agent_id": None,
    "name": None,
    "description": None,
    "state": None,
    "plugins": None,
    "hooks": None,
    "session_manager": None,
    "structured_output_prompt": None,
    "tool_executor": None,
    "retry_strategy": ...,
    "concurrent_invocation_mode": ConcurrentInvocationMode.THROW,
}
"""The parameters on the page, in its order; `...` where it says <default>."""

FIRST_KEYWORD = "agent_id"


class Person(BaseModel):
    name: str
    age: int


@tool
def my_tool(param: str) -> str:
    """Tool description.

    Args:
        param: Parameter description.
    """
    result = param.upper()
    return result


@pytest.fixture(autouse=True)
def default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/elsai")
    script("elsai", _reply)


def _reply(request: ModelRequest) -> Any:
    """Use a tool where there is one, once; else answer."""
    if request.tools and request.messages[-1].role == "user":
        first = request.tools[0]
        arguments: dict[str, Any] = (
            {"name": "Ada", "age": 36} if first.name == "Person" else {"param": "boat"}
        )
        return tool_call(first.name, **arguments)
    return f"Hello! ({len(request.messages)})"


def test_the_constructor() -> None:
    found = inspect.signature(Agent).parameters

    assert [*found][: len(PARAMETERS)] == [*PARAMETERS]
    for name, default in PARAMETERS.items():
        assert default is ... or found[name].default == default
    positional = [name for name, one in found.items() if one.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    assert positional == [*PARAMETERS][: [*PARAMETERS].index(FIRST_KEYWORD)]


def test_call(capsys: pytest.CaptureFixture[str]) -> None:
    agent = Agent()

    result = agent(
        prompt="Hello", invocation_state=None, structured_output_model=None, structured_output_prompt=None
    )

    assert str(result) == "Hello! (1)\n"
    assert capsys.readouterr().out == "Hello! (1)\n"


async def test_invoke_async() -> None:
    agent = Agent(callback_handler=None)
    prompt = [{"text": "Hello"}]

    result = await agent.invoke_async(prompt, invocation_state=None, structured_output_model=Person)

    assert result.structured_output == Person(name="Ada", age=36)


async def test_stream_async() -> None:
    agent = Agent(tools=[my_tool], callback_handler=None)
    events: list[dict[str, Any]] = []

    async for event in agent.stream_async("Hello", invocation_state={"user": "ada"}):
        events.append(event)

    keys = {key for event in events for key in event}
    assert {"data", "complete", "current_tool_use", "result"} <= keys
    assert "".join(event["data"] for event in events if "data" in event) == "Hello! (3)"
    used = [event["current_tool_use"]["name"] for event in events if "current_tool_use" in event]
    assert used[0] == "my_tool"
    assert [*events[-1]] == ["result"]


def test_cancel() -> None:
    agent = Agent(callback_handler=None)

    agent.cancel()

    assert agent("Hello").stop_reason == "cancelled"
    threading.Thread(target=agent.cancel).start()
    assert agent.cancel() is None


@pytest.mark.parametrize("said", [(), (BeforeModelCallEvent,)])
def test_add_hook(said: tuple[Any, ...]) -> None:
    agent = Agent(callback_handler=None)
    heard: list[BeforeModelCallEvent] = []

    def callback(event: BeforeModelCallEvent) -> None:
        heard.append(event)

    agent.add_hook(callback, *said)

    agent("Hello")
    assert [event.agent for event in heard] == [agent]


def test_as_tool() -> None:
    agent = Agent(name="Elsai Agents", description="Says hello.", callback_handler=None)

    wrapped = agent.as_tool(name=None, description=None, preserve_context=False)

    assert wrapped.tool_spec == {
        "name": "elsai_agents",
        "description": "Says hello.",
        "inputSchema": {"json": dict(wrapped.input_schema)},
    }
    other = Agent(tools=[wrapped], callback_handler=None)
    script(
        "elsai",
        lambda request: tool_call("elsai_agents", input="Hi") if len(request.messages) == 1 else "Done",
    )
    assert str(other("Greet")) == "Done\n"


def test_take_snapshot_and_load_snapshot() -> None:
    agent = Agent(callback_handler=None)
    agent("Hello")

    snapshot = agent.take_snapshot(preset="session", include=None, exclude=None, app_data=None)

    agent("And again")
    agent.load_snapshot(snapshot)
    assert len(agent.messages) == 2


def test_cleanup() -> None:
    agent = Agent(callback_handler=None)

    agent.cleanup()

    assert str(agent("Hello")) == "Hello! (1)\n"


def test_properties() -> None:
    agent = Agent(
        "test/elsai", system_prompt="Be brief.", tools=[my_tool], state={"a": 1}, callback_handler=None
    )

    assert agent.system_prompt == "Be brief."
    assert agent.system_prompt_content == [{"text": "Be brief."}]
    assert agent.tool.my_tool(param="boat")["content"] == [{"text": "BOAT"}]
    assert agent.tool_names == ["my_tool"]
    assert len(agent.messages) == 4
    assert isinstance(agent.state, AgentState)
    assert agent.model == "test/elsai"


def test_agent_result() -> None:
    agent = Agent(callback_handler=None, state={"step": 1})

    result = agent("Hello")

    assert result.message["content"] == [{"text": "Hello! (1)"}]  # dict: the final assistant message
    assert result.stop_reason == "end_turn"  # str: "end_turn" | "max_tokens" | "tool_use" | "cancelled"
    assert result.metrics.accumulated_usage["totalTokens"] > 0  # Metrics: token counts and latency
    assert result.state == {"step": 1}  # dict: agent state at completion
    assert result.structured_output is None  # BaseModel | None: parsed structured output


def test_tool_decorator() -> None:
    assert my_tool.tool_spec == {
        "name": "my_tool",
        "description": "Tool description.",
        "inputSchema": {
            "json": {
                "type": "object",
                "properties": {"param": {"type": "string", "description": "Parameter description."}},
                "required": ["param"],
            }
        },
    }
    assert my_tool("boat") == "BOAT"
