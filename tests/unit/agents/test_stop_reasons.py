"""Why an invocation stops, and what its result says of it."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import Agent, AgentResult, ModelReply, ModelRequest, tool_call
from towpath.agents.hooks import BeforeToolCallEvent
from towpath.agents.meters import Meter, MeteredCall
from towpath.agents.result import AgentStatus
from towpath.context import Context
from towpath.errors import BudgetExhaustedError, ContextOverflowError, MaxTokensError
from towpath.models.port import LanguageModel, Message
from towpath.testing import FunctionModel, fault, scripted
from towpath.tools.calls import ToolCall
from towpath_schemas.usage import Usage


class Answer(BaseModel):
    number: int


class Tags(BaseModel):
    tags: set[str]


def act() -> str:
    return "acted"


def ask(event: BeforeToolCallEvent) -> None:
    event.interrupt("sure?")


def stop(event: BeforeToolCallEvent) -> None:
    event.invocation_state["request_state"]["stop_event_loop"] = True


class Spent(Meter):
    """A meter that lets so many models be asked."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    @asynccontextmanager
    async def model_call(
        self, context: Context, model: LanguageModel, request: ModelRequest
    ) -> AsyncGenerator[MeteredCall]:
        if not self.calls:
            raise BudgetExhaustedError("nothing is left")
        yield MeteredCall(request)
        self.calls -= 1


@pytest.mark.parametrize(
    "stop_reason", ["end_turn", "stop_sequence", "content_filtered", "guardrail_intervened", "odd"]
)
async def test_what_the_model_says_is_why_it_stopped(stop_reason: str) -> None:
    model = scripted(ModelReply(text="that is all", stop_reason=stop_reason))

    result = await Agent(model, callback_handler=None).invoke_async("q")

    assert (result.stop_reason, result.status, result.output) == (stop_reason, "completed", "that is all")


@pytest.mark.parametrize(
    ("stop_reason", "status", "said"),
    [
        ("limit_turns", "max_iterations", {"max_iterations": 1}),
        ("limit_turns", "max_iterations", {"limits": {"turns": 1}}),
        ("tool_use", "completed", {"hooks": [stop]}),
        ("interrupt", "paused", {"hooks": [ask]}),
        ("end_turn", "completed", {}),
    ],
    ids=["max_iterations", "turns", "stop_event_loop", "interrupt", "end"],
)
async def test_what_else_stops_it(stop_reason: str, status: AgentStatus, said: dict[str, Any]) -> None:
    agent = Agent(scripted(tool_call("act"), "done"), tools=[act], callback_handler=None, **said)

    result = await agent.invoke_async("q")

    assert (result.stop_reason, result.status) == (stop_reason, status)


@pytest.mark.parametrize(("calls", "stop_reason"), [(0, "budget"), (1, "budget"), (2, "end_turn")])
async def test_what_is_spent_ends_it(calls: int, stop_reason: str) -> None:
    agent = Agent(scripted(tool_call("act"), "done"), tools=[act])
    agent.meters = (Spent(calls),)

    result = await agent.run("q")

    assert (result.stop_reason, result.iterations) == (stop_reason, calls)


async def test_an_answer_that_was_cut_off_is_returned_and_its_tool_calls_are_not_made() -> None:
    cut = ModelReply(
        text="so", tool_calls=(ToolCall(id="c", name="act", arguments="{"),), stop_reason="max_tokens"
    )
    agent = Agent(scripted(cut), tools=[act], callback_handler=None)

    result = await agent.invoke_async("q")

    assert (result.stop_reason, result.status, result.tool_calls) == ("max_tokens", "completed", ())
    assert ["toolUse" in block for block in result.message["content"]] == [False, False]
    with pytest.raises(MaxTokensError):
        result.raise_for_stop()
    assert (await Agent(scripted("ok")).run("q")).raise_for_stop().output == "ok"


async def test_a_conversation_that_is_too_long_is_shortened_and_asked_again() -> None:
    overflow = fault("context_overflow")
    model = FunctionModel(lambda request: overflow if len(request.messages) > 4 else "short enough")
    earlier = [{"role": role, "content": [{"text": "x"}]} for role in ("user", "assistant") * 4]
    agent = Agent(model, messages=earlier, callback_handler=None)

    result = await agent.invoke_async("q")

    assert result.output == "short enough"
    assert agent.conversation_manager.removed_message_count > 0


async def test_a_conversation_that_cannot_be_shortened_fails() -> None:
    with pytest.raises(ContextOverflowError):
        await Agent(scripted(fault("context_overflow"))).run("q")


# --- Results ------------------------------------------------------------------------------------------------


async def test_a_result_has_what_the_model_said_and_what_it_took() -> None:
    def note(event: BeforeToolCallEvent) -> None:
        event.invocation_state["request_state"]["noted"] = event.tool_use["name"]

    reply = ModelReply(text="done", usage=Usage(input_tokens=7, output_tokens=2))
    agent = Agent(
        scripted(tool_call("act"), reply), tools=[act], hooks=[note], state={"a": 1}, callback_handler=None
    )

    result = await agent.invoke_async("q")

    assert result.message["content"] == [{"text": "done"}]
    assert result.message["metadata"]["usage"] == {"inputTokens": 7, "outputTokens": 2, "totalTokens": 9}
    assert result.state == {"a": 1, "noted": "act"}
    assert (result.context_size, result.projected_context_size) == (7, 9)
    assert result.metrics.cycle_count == result.iterations == 2
    assert result.metrics.tool_metrics["act"][:3] == (1, 1, 0)
    assert result.metrics.accumulated_usage["inputTokens"] == result.usage.input_tokens


async def test_metrics_grow_over_the_life_of_a_conversation() -> None:
    agent = Agent(scripted(tool_call("act"), "one", "two"), tools=[act], callback_handler=None)

    await agent.invoke_async("q")
    result = await agent.invoke_async("q")

    metrics = result.metrics
    assert (metrics.cycle_count, [len(one.cycles) for one in metrics.agent_invocations]) == (3, [2, 1])
    assert [trace.name for trace in metrics.traces[0].children] == ["model_invoke", "Tool: act"]
    assert metrics.get_summary()["tool_usage"]["act"]["call_count"] == 1
    assert result.iterations == 1


async def test_a_result_is_json_and_comes_back() -> None:
    result = await Agent(scripted(tool_call("act"), "done"), tools=[act], name="desk").run("q")

    back = AgentResult.from_body(result.to_body())

    assert b'"message":{"role":"assistant","content":"done"' in result.to_body()
    assert (back.output, back.message["content"], back.usage) == ("done", [{"text": "done"}], result.usage)
    assert AgentResult.from_dict(result.to_dict()).message == result.message


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ({}, "a\nb\n"),
        ({"structured_output": Answer(number=3)}, '{"number":3}'),
        ({"structured_output": Tags(tags=set("edcba"))}, '{"tags":["a","b","c","d","e"]}'),
    ],
    ids=["text", "object", "set"],
)
def test_the_text_of_a_result(said: dict[str, Any], text: str) -> None:
    message = {"role": "assistant", "content": [{"text": "a"}, {"text": "b"}]}

    assert str(AgentResult(output="", message=message, agent="desk", **said)) == text


def test_the_fields_of_an_answer_are_attributes() -> None:
    message: Any = Message(role="assistant", content="x")

    assert AgentResult(output='{"category":"billing"}', message=message, agent="a").category == "billing"
    assert AgentResult(output="", message=message, agent="a", structured_output=Answer(number=3)).number == 3
    with pytest.raises(AttributeError, match="has no 'category'"):
        _ = AgentResult(output="text", message=message, agent="a").category
