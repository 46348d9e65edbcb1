"""What an agent tells while it works: typed events of runs, dicts of conversations, and who may listen."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest

from towpath import Agent, LocalContext, ModelReply, ModelRequest, script, tool, tool_call
from towpath.agents.content import port_messages
from towpath.agents.events import Event
from towpath.agents.guardrails import Blocked, Guardrail
from towpath.agents.streaming import EventStream
from towpath.errors import ConcurrencyError, ModelError, TowpathError
from towpath.models.port import Citation, Piece, ReasoningPiece, ToolUsePiece
from towpath.testing import fault, scripted
from towpath.tools.calls import ToolCall


class Streaming:
    """A model that thinks, says a word and asks for a tool, and then answers; all of it in pieces."""

    name = "streaming"

    def __init__(self) -> None:
        self.turn = 0

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is heard, so it is asked to stream")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        self.turn += 1
        if self.turn == 1:
            yield ReasoningPiece("hm")
            yield "let me "
            yield "see"
            yield ToolUsePiece("c1", "look_up", '{"query"')
            yield ToolUsePiece("c1", "look_up", '{"query":"boats"}')
            call = ToolCall(id="c1", name="look_up", arguments={"query": "boats"})
            yield ModelReply(text="let me see", reasoning="hm", tool_calls=(call,), stop_reason="tool_use")
        else:
            yield "done"
            yield ModelReply(text="done")


def look_up(query: str) -> str:
    return f"found {query}"


def keys(event: dict[str, Any]) -> str:
    """Name an event by its keys, those that all pieces carry left out."""
    if "event" in event:
        return f"event.{next(iter(event['event']))}"
    return " ".join(key for key in event if key not in {"agent", "request_state", "event_loop_cycle_id"})


# --- Dicts ----------------------------------------------------------------------------------------------


async def test_a_conversation_is_told_as_dicts_in_order() -> None:
    agent = Agent(Streaming(), tools=[look_up], callback_handler=None)

    told = [event async for event in agent.stream_async("q", invocation_state={"tenant": "acme"})]

    assert [keys(event).replace("tenant ", "").replace(" tenant", "") for event in told] == [
        "init_event_loop",
        "start",
        "start_event_loop",
        "event.messageStart",
        "event.contentBlockStart",
        "event.contentBlockDelta",
        "reasoningText reasoning delta",
        "event.contentBlockStop",
        "event.contentBlockStart",
        "event.contentBlockDelta",
        "data delta",
        "event.contentBlockDelta",
        "data delta",
        "event.contentBlockStop",
        "event.contentBlockStart",
        "event.contentBlockDelta",
        "type delta current_tool_use",
        "event.contentBlockDelta",
        "type delta current_tool_use",
        "event.contentBlockStop",
        "event.messageStop",
        "event.metadata",
        "data complete",
        "message",
        "message",
        "start",
        "start_event_loop",
        "event.messageStart",
        "event.contentBlockStart",
        "event.contentBlockDelta",
        "data delta",
        "event.contentBlockStop",
        "event.messageStop",
        "event.metadata",
        "data complete",
        "message",
        "result",
    ]
    uses = [event["current_tool_use"] for event in told if "current_tool_use" in event]
    assert [use["input"] for use in uses] == ['{"query"', '{"query":"boats"}']
    assert told[0]["tenant"] == told[6]["tenant"] == "acme"
    assert told[-1]["result"].output == "done"


class Whole:
    """A model that does not stream."""

    name = "whole"

    async def generate(self, request: ModelRequest) -> ModelReply:
        if len(request.messages) > 1:
            return ModelReply(text="done")
        call = ToolCall(id="c1", name="look_up", arguments={"query": "boats"})
        return ModelReply(tool_calls=(call,), stop_reason="tool_use")


async def test_a_model_that_does_not_stream_is_told_in_whole_pieces() -> None:
    agent = Agent(Whole(), tools=[look_up], callback_handler=None)

    told = [event async for event in agent.stream_async("q")]

    assert [event["current_tool_use"]["input"] for event in told if "current_tool_use" in event] == [
        '{"query":"boats"}'
    ]
    assert "".join(event["data"] for event in told if "data" in event) == "done"


async def test_what_a_tool_yields_is_told() -> None:
    @tool
    async def count() -> AsyncGenerator[int]:
        yield 1
        yield 2

    agent = Agent(scripted(tool_call("count"), "done"), tools=[count], callback_handler=None)

    told = [event async for event in agent.stream_async("q")]

    assert [one["tool_stream_event"]["data"] for one in told if one.get("type") == "tool_stream"] == [1, 2]


# --- Callback handlers ------------------------------------------------------------------------------------


async def test_a_callback_handler_is_told_the_same_dicts() -> None:
    told: list[dict[str, Any]] = []

    def note(**event: Any) -> None:
        told.append(event)

    agent = Agent(Streaming(), tools=[look_up], callback_handler=note)

    streamed = [event async for event in agent.stream_async("q")]

    assert told == streamed


async def test_what_a_callback_handler_raises_ends_the_call() -> None:
    def broken(**event: Any) -> None:
        if "data" in event:
            raise LookupError("the pipe is broken")

    model = scripted("hello", "again")
    agent = Agent(model, callback_handler=broken)

    with pytest.raises(LookupError, match="the pipe is broken"):
        await agent.invoke_async("q")
    assert len(model.requests) == 1


def test_runs_are_silent_unless_a_handler_was_given(capsys: pytest.CaptureFixture[str]) -> None:
    agent = Agent(scripted("hello"))

    asyncio.run(_awaited(agent))
    assert capsys.readouterr().out == ""
    agent("q")
    assert capsys.readouterr().out == "hello\n"


async def _awaited(agent: Agent) -> None:
    await agent.run("q")


# --- Leaving early -----------------------------------------------------------------------------------------


async def test_a_stream_that_is_left_early_does_not_go_on_and_frees_the_agent() -> None:
    called: list[int] = []

    @tool
    def act() -> int:
        called.append(1)
        return 1

    agent = Agent(scripted(tool_call("act"), "done"), tools=[act], callback_handler=None)

    async for event in agent.stream_async("q"):
        if "message" in event:
            break
    agent.messages.clear()
    result = await agent.invoke_async("again")

    assert (result.output, len(called)) == ("done", 1)


async def test_a_stream_that_is_held_is_closed_by_the_next_call_of_the_same_task() -> None:
    agent = Agent(scripted("one two", "three", "four"), callback_handler=None)
    stream = agent.stream_async("q")
    await anext(stream)

    result = await agent.invoke_async("next")

    assert result.output == "one two"
    assert [event async for event in stream] == []


async def test_a_stream_that_is_held_by_another_task_keeps_the_agent() -> None:
    agent = Agent(scripted("one two"), callback_handler=None)
    stream = agent.stream_async("q")
    await asyncio.create_task(_next(stream))

    with pytest.raises(ConcurrencyError):
        await agent.invoke_async("next")

    await stream.aclose()
    await agent.invoke_async("next")


async def _next(stream: Any) -> Any:
    return await anext(stream)


async def test_a_stream_that_nobody_holds_any_more_is_closed() -> None:
    agent = Agent(scripted("one two"), callback_handler=None)
    stream = agent.stream_async("q")
    await asyncio.create_task(_next(stream))

    del stream
    gc.collect()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (await agent.invoke_async("next")).output == "one two"


# --- Typed events --------------------------------------------------------------------------------------------


async def test_a_run_is_told_as_typed_events() -> None:
    agent = Agent(Streaming(), tools=[look_up], name="desk")

    told: list[Event] = [event async for event in agent.stream("q")]

    assert [(event.seq, event.type, event.content) for event in told] == [
        (1, "thinking", "hm"),
        (1, "response.delta", "let me "),
        (1, "response.delta", "see"),
        (1, "response", "let me see"),
        (2, "tool_call", ""),
        (3, "tool_result", ""),
        (4, "response.delta", "done"),
        (4, "response", "done"),
        (5, "result", "done\n"),
    ]
    assert (told[4].tool_name, told[4].arguments) == ("look_up", {"query": "boats"})
    assert (told[5].tool_name, told[5].result) == ("look_up", "found boats")
    assert len({event.run_id for event in told}) == 1


async def test_a_handoff_and_an_error_are_told() -> None:
    script("billing", [fault(retryable=False)])
    billing = Agent("test/billing", name="billing")
    agent = Agent(scripted(tool_call("transfer_to_billing")), handoffs=[billing])
    told: list[Event] = []

    with pytest.raises(ModelError):
        await _collect(agent.stream("q"), told)

    assert [event.type for event in told] == ["tool_result", "handoff", "error"]
    assert (told[1].content, type(told[2].error)) == ("billing", ModelError)


async def _collect(stream: AsyncIterator[Event], told: list[Event]) -> None:
    async for event in stream:
        told.append(event)  # noqa: PERF401 - what comes before an error is kept


@pytest.mark.parametrize("verb", [Agent.stream, Agent.stream_async])
async def test_a_stream_may_be_awaited_before_it_is_read(verb: Callable[..., EventStream[Any]]) -> None:
    agent = Agent(scripted("hello", "hello"), callback_handler=None)

    awaited = [event async for event in await verb(agent, "q")]

    assert len(awaited) == len([event async for event in verb(agent, "q")]) > 1


async def test_a_run_may_be_listened_to_and_awaited() -> None:
    run = Agent(scripted("hello there")).run("q")

    heard = [event.content async for event in run if event.type == "response.delta"]

    assert (heard, (await run).output) == (["hello ", "there"], "hello there")
    with pytest.raises(TowpathError, match="has begun"):
        run.events()


async def test_a_run_whose_stream_is_closed_is_cancelled() -> None:
    run = Agent(scripted("hello there")).run("q")

    async with aclosing(run.events()) as events:
        await anext(events)

    with pytest.raises(TowpathError, match="cancelled"):
        await run


# --- Signatures and citations ---------------------------------------------------------------------------

TIDES = Citation(title="Tides", url="https://tides.example", start=0, end=7)


def cited(text: str = "At noon.", **said: Any) -> ModelReply:
    return ModelReply(text=text, citations=(TIDES,), **said)


async def told(reply: ModelReply, **said: Any) -> list[dict[str, Any]]:
    agent = Agent(scripted(reply), callback_handler=None, **said)
    return [event async for event in agent.stream_async("When?")]


async def test_a_thought_that_nobody_may_read_is_told_as_redacted_and_told_to_its_model_again() -> None:
    events = await told(cited(reasoning_signature="sealed"))
    message = events[-1]["result"].message

    redacted = next(event for event in events if "reasoningRedactedContent" in event)
    assert (redacted["reasoningRedactedContent"], redacted["reasoning"]) == (b"sealed", True)
    assert redacted["delta"] == {"reasoningContent": {"redactedContent": b"sealed"}}
    assert message["content"][0] == {"reasoningContent": {"redactedContent": b"sealed"}}
    assert port_messages(message)[0].reasoning_signature == "sealed"


async def test_citations_are_events_of_the_text_and_stand_in_its_message() -> None:
    events = await told(cited())
    citation = {
        "title": "Tides",
        "location": {"web": {"url": "https://tides.example"}},
        "span": {"start": 0, "end": 7},
    }

    assert [event["delta"] for event in events if "citation" in event] == [{"citation": citation}]
    assert events[-1]["result"].message["content"] == [
        {"text": "At noon."},
        {"citationsContent": {"citations": [citation]}},
    ]


async def test_what_a_guardrail_puts_in_place_of_an_answer_cites_nothing() -> None:
    events = await told(cited(), plugins=[Guardrail(after=lambda _text: Blocked("No."))])

    assert events[-1]["result"].message["content"] == [{"text": "No."}]


async def test_chunks_of_a_model_call_tell_citations_too() -> None:
    stream = LocalContext().llm.stream("When?", model=scripted(cited()))

    chunks = [chunk async for chunk in stream]

    assert [chunk.citation for chunk in chunks if chunk.citation is not None] == [TIDES]
    assert chunks[-1].response is not None
    assert chunks[-1].response.citations == (TIDES,)
