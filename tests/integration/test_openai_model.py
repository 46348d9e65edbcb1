"""The real client library against our own server: what is sent, what is understood, what becomes of faults."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from towpath import Agent, tool
from towpath.components import REGISTRY
from towpath.errors import ConfigurationError, ModelError
from towpath.models import resolve
from towpath.models.openai import OpenAIModel
from towpath.models.openai_client import close_clients
from towpath.models.port import Message, ModelReply, ModelRequest, ToolSpec
from towpath.tools.tool import ToolCall
from towpath_schemas.journal import Usage
from towpath_testkit.openai_server import CutsOff, Refuses, Says, SaysGarbage, openai_server

ASKED = ModelRequest(messages=(Message(role="user", content="Where is my order?"),))


@pytest.fixture(autouse=True)
async def environment(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[None]:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    REGISTRY.clear()
    yield
    await close_clients()


async def failure_after(*script: Refuses | SaysGarbage | CutsOff) -> ModelError:
    async with openai_server(*script) as server:
        with pytest.raises(ModelError) as raised:
            await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(ASKED)
        assert len(server.requests) == 1, "the client library must not retry by itself"
    return raised.value


async def test_an_answer_is_text_with_its_usage_and_reason() -> None:
    async with openai_server("In Utrecht.") as server:
        reply = await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(ASKED)

    assert reply == ModelReply(text="In Utrecht.", usage=Usage(input_tokens=11, output_tokens=7))


async def test_the_whole_conversation_is_sent_with_system_prompt_tools_and_key() -> None:
    request = ModelRequest(
        system="Be brief.",
        messages=(
            Message(role="user", content="Where is it?"),
            Message(role="assistant", tool_calls=(ToolCall(id="c1", name="find", arguments={"order": 7}),)),
            Message(role="tool", content="Utrecht", tool_call_id="c1"),
        ),
        tools=(ToolSpec(name="find", description="Find it.", input_schema={"type": "object"}),),
    )
    async with openai_server() as server:
        await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(request)

    assert server.authorisations == ["Bearer key-of-the-test"]
    assert server.requests[0] == {
        "model": "gpt-4o-mini",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Where is it?"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "find", "arguments": '{"order": 7}'},
                    },
                ],
            },
            {"role": "tool", "content": "Utrecht", "tool_call_id": "c1"},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "find", "description": "Find it.", "parameters": {"type": "object"}},
            },
        ],
    }


async def test_tool_calls_are_read_and_arguments_that_are_no_json_stay_text() -> None:
    calls = [("c1", "find", {"order": 7}), ("c2", "find", '{"order": 7'), ("c3", "find", "")]
    async with openai_server(Says(tool_calls=calls)) as server:
        reply = await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(ASKED)

    assert reply.stop_reason == "tool_use"
    assert [call.arguments for call in reply.tool_calls] == [{"order": 7}, '{"order": 7', {}]


@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"),
    [("length", "max_tokens"), ("content_filter", "refusal"), ("stop", "end_turn"), ("new_one", "end_turn")],
)
async def test_every_finish_reason_is_understood(finish_reason: str, stop_reason: str) -> None:
    async with openai_server(Says("...", finish_reason=finish_reason)) as server:
        reply = await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(ASKED)

    assert reply.stop_reason == stop_reason


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
async def test_a_rate_limit_may_be_tried_again_when_the_server_says(
    headers: dict[str, str],
    wait_s: float | None,
) -> None:
    error = await failure_after(Refuses(429, headers=headers))

    assert (error.failure.code, error.failure.retryable) == ("model_error", True)
    assert error.failure.retry_after_s == wait_s


async def test_a_date_in_retry_after_is_waited_for() -> None:
    until = datetime.now(UTC) + timedelta(seconds=30)  # noqa: TID251 - the header is read by the wall clock

    error = await failure_after(Refuses(503, headers={"retry-after": format_datetime(until, usegmt=True)}))

    assert error.failure.retry_after_s is not None
    assert 20 < error.failure.retry_after_s <= 30


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
async def test_a_failure_of_the_server_may_be_tried_again(status: int) -> None:
    assert (await failure_after(Refuses(status))).failure.retryable


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
async def test_a_request_that_is_refused_is_not_tried_again(status: int) -> None:
    error = await failure_after(Refuses(status))

    assert not error.failure.retryable
    assert f"openai/gpt-4o-mini: HTTP {status}" in error.failure.message


async def test_an_empty_account_is_not_tried_again_although_it_is_a_429() -> None:
    error = await failure_after(Refuses(429, code="insufficient_quota", headers={"retry-after": "7"}))

    assert (error.failure.retryable, error.failure.retry_after_s) == (False, None)


@pytest.mark.parametrize("body", ['{"choices": [{"mess', "[]", "{}", '{"choices": []}', "null"])
async def test_an_answer_that_is_no_completion_may_be_tried_again(body: str) -> None:
    error = await failure_after(SaysGarbage(body))

    assert (error.failure.code, error.failure.retryable) == ("model_error", True)


async def test_a_connection_that_is_cut_may_be_tried_again() -> None:
    assert (await failure_after(CutsOff())).failure.retryable


async def test_a_server_that_is_not_there_may_be_tried_again() -> None:
    async with openai_server() as server:
        base_url = server.base_url

    with pytest.raises(ModelError) as raised:
        await OpenAIModel("gpt-4o-mini", base_url=base_url).generate(ASKED)

    assert raised.value.failure.retryable


async def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(ConfigurationError, match="OPENAI_API_KEY"):
        await resolve("openai/gpt-4o-mini").generate(ASKED)


async def test_an_agent_works_through_a_server_that_stumbles(monkeypatch: pytest.MonkeyPatch) -> None:
    @tool
    async def find(order: int) -> str:
        """Find an order."""
        return f"order {order} is in Utrecht"

    stumbling = (
        Refuses(429, headers={"retry-after": "0"}),
        Says(tool_calls=[("c1", "find", {"order": 7})]),
        Refuses(500, headers={"retry-after-ms": "1"}),
        "It is in Utrecht.",
    )
    async with openai_server(*stumbling) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        result = await Agent(model="openai/gpt-4o-mini", tools=[find]).run("Where is order 7?")

    assert result.output == "It is in Utrecht."
    assert result.usage == Usage(input_tokens=22, output_tokens=14)
    assert server.requests[-1]["messages"][-1]["content"] == "order 7 is in Utrecht"


async def test_all_requests_of_a_loop_share_one_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async with openai_server() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        for _ in range(3):
            await OpenAIModel("gpt-4o-mini").generate(ASKED)

        assert len(server.requests) == 3
        assert len(server.connections) == 1


# --- Streaming, and answers of a form ---------------------------------------------------------------


async def heard(model: OpenAIModel, request: ModelRequest = ASKED) -> list[str | ModelReply]:
    return [piece async for piece in model.stream(request)]


async def test_a_streamed_answer_comes_in_pieces_and_then_whole() -> None:
    async with openai_server("It is in Utrecht.") as server:
        pieces = await heard(OpenAIModel("gpt-4o-mini", base_url=server.base_url))

    assert pieces == [
        "It ",
        "is ",
        "in ",
        "Utrecht.",
        ModelReply(text="It is in Utrecht.", usage=Usage(input_tokens=11, output_tokens=7)),
    ]
    assert server.requests[0]["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("reason", ["length", "content_filter"])
async def test_a_streamed_answer_that_ends_early_is_still_an_answer(reason: str) -> None:
    async with openai_server(Says("It is", finish_reason=reason)) as server:
        *_, reply = await heard(OpenAIModel("gpt-4o-mini", base_url=server.base_url))

    assert isinstance(reply, ModelReply)
    assert (reply.text, reply.stop_reason) == (
        "It is",
        {"length": "max_tokens", "content_filter": "refusal"}[reason],
    )


async def test_tool_calls_are_in_the_reply_at_the_end_of_a_stream() -> None:
    async with openai_server(Says(tool_calls=[("c1", "find", {"order": 7})])) as server:
        request = ASKED.model_copy(
            update={"tools": (ToolSpec(name="find", description="", input_schema={"type": "object"}),)}
        )
        pieces = await heard(OpenAIModel("gpt-4o-mini", base_url=server.base_url), request)

    assert pieces == [
        ModelReply(
            tool_calls=(ToolCall(id="c1", name="find", arguments={"order": 7}),),
            usage=Usage(input_tokens=11, output_tokens=7),
            stop_reason="tool_use",
        )
    ]


async def test_a_stream_that_is_cut_off_is_a_failure_that_may_be_tried_again() -> None:
    pieces: list[str | ModelReply] = []

    async def listen(model: OpenAIModel) -> None:
        async for piece in model.stream(ASKED):
            pieces.append(piece)  # noqa: PERF401 - what was heard before the failure counts

    async with openai_server(CutsOff("It is ")) as server:
        with pytest.raises(ModelError) as raised:
            await listen(OpenAIModel("gpt-4o-mini", base_url=server.base_url))

    assert "".join(map(str, pieces)) == "It is "
    assert (raised.value.failure.code, raised.value.failure.retryable) == ("model_error", True)


async def test_a_refused_stream_is_a_failure_like_any_other() -> None:
    async with openai_server(Refuses(status=400)) as server:
        with pytest.raises(ModelError, match="HTTP 400") as raised:
            await heard(OpenAIModel("gpt-4o-mini", base_url=server.base_url))

    assert not raised.value.failure.retryable


@pytest.mark.parametrize(
    ("schema", "sent"),
    [
        ({}, {"type": "json_object"}),
        (
            {"title": "User profile", "type": "object"},
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "User_profile",
                    "schema": {"title": "User profile", "type": "object"},
                },
            },
        ),
    ],
)
async def test_the_form_of_the_answer_is_asked_for(schema: dict[str, str], sent: dict[str, object]) -> None:
    async with openai_server('{"name": "Ada"}') as server:
        request = ASKED.model_copy(update={"answer_schema": schema})
        await OpenAIModel("gpt-4o-mini", base_url=server.base_url).generate(request)

    assert server.requests[0]["response_format"] == sent
