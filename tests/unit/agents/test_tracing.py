"""Spans of what an agent does."""

from towpath import Agent, ModelReply, tool_call
from towpath.testing import scripted
from towpath_schemas.usage import Usage
from towpath_testkit.recorded import recorded_telemetry


def act() -> str:
    return "acted"


async def test_an_invocation_its_cycles_and_its_calls_are_spans() -> None:
    reply = ModelReply(text="done", usage=Usage(input_tokens=7, output_tokens=2))
    agent = Agent(
        scripted(tool_call("act"), reply),
        tools=[act],
        name="desk",
        trace_attributes={"team": "a", "odd": object()},
    )

    with recorded_telemetry() as recorded:
        await agent.run("q")

    names = {span.context.span_id: span.name for span in recorded.spans if span.context is not None}
    edges = [(names.get(span.parent.span_id) if span.parent else None, span.name) for span in recorded.spans]
    assert edges == [
        ("execute_event_loop_cycle", "chat"),
        ("execute_event_loop_cycle", "execute_tool act"),
        ("invoke_agent desk", "execute_event_loop_cycle"),
        ("execute_event_loop_cycle", "chat"),
        ("invoke_agent desk", "execute_event_loop_cycle"),
        (None, "invoke_agent desk"),
    ]
    attributes = dict(recorded.spans[3].attributes or {})
    assert attributes == {
        "team": "a",
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "test/scripted",
        "gen_ai.response.finish_reasons": "end_turn",
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 2,
    }
