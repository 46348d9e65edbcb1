"""What is understood of answers: in both styles, whole and in pieces."""

import json
from typing import Any, Literal

import pytest

from towpath import Agent
from towpath.agents.content import port_messages, reply_message
from towpath.models.openai import OpenAIModel
from towpath.models.port import (
    Citation,
    CitationPiece,
    Message,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolUsePiece,
    streamed,
)
from towpath.tools.calls import ToolCall
from towpath_schemas.usage import Usage
from towpath_testkit.openai_server import Act, Refuses, Says, SaysGarbage, openai_server

Api = Literal["chat", "responses"]
ASKED = ModelRequest(messages=(Message(role="user", content="Where is my order?"),))
USAGE = Usage(input_tokens=11, output_tokens=7)
BOTH = pytest.mark.parametrize("api", ["chat", "responses"])


async def answer(*script: Act, api: Api = "chat", request: ModelRequest = ASKED) -> ModelReply:
    async with openai_server(*script) as server:
        return await OpenAIModel("gpt-4o-mini", base_url=server.base_url, api=api).generate(request)


async def heard(*script: Act, api: Api = "chat", request: ModelRequest = ASKED) -> list[Piece | ModelReply]:
    async with openai_server(*script) as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url, api=api)
        return [piece async for piece in streamed(model, request)]


def signature_of(thought: str | None) -> str:
    summary = [] if thought is None else [{"text": thought, "type": "summary_text"}]
    item = {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "c2VhbGVk"}
    return json.dumps([item])


@BOTH
async def test_an_answer_is_text_with_its_usage_and_reason(api: Api) -> None:
    assert await answer("In Utrecht.", api=api) == ModelReply(text="In Utrecht.", usage=USAGE)


@BOTH
async def test_tokens_from_the_cache_are_a_part_of_those_that_were_read(api: Api) -> None:
    reply = await answer(Says("In Utrecht.", cached=8, put_in_cache=2), api=api)

    assert reply.usage == Usage(input_tokens=11, output_tokens=7, cache_read_tokens=8, cache_write_tokens=2)


@BOTH
async def test_tool_calls_are_read_and_arguments_that_are_no_json_stay_text(api: Api) -> None:
    calls = [("c1", "find", {"order": 7}), ("c2", "find", '{"order": 7'), ("c3", "find", "")]

    reply = await answer(Says(tool_calls=calls), api=api)

    assert reply.stop_reason == "tool_use"
    assert [(call.id, call.arguments) for call in reply.tool_calls] == [
        ("c1", {"order": 7}),
        ("c2", '{"order": 7'),
        ("c3", {}),
    ]


@BOTH
@pytest.mark.parametrize(
    ("finish_reason", "stop_reason"), [("length", "max_tokens"), ("content_filter", "content_filtered")]
)
async def test_an_answer_that_ends_early_is_still_an_answer(
    api: Api, finish_reason: str, stop_reason: str
) -> None:
    said = Says("It is", finish_reason=finish_reason)
    *_, last = await heard(said, api=api)

    assert isinstance(last, ModelReply)
    assert last == await answer(said, api=api)
    assert (last.text, last.stop_reason) == ("It is", stop_reason)


async def test_a_reason_that_nobody_knows_is_told_as_it_is() -> None:
    assert (await answer(Says("...", finish_reason="new_one"))).stop_reason == "new_one"


async def test_a_server_that_says_stop_where_it_asks_for_tools_is_understood() -> None:
    reply = await answer(Says(tool_calls=[("c1", "find", {})], finish_reason="stop"))

    assert reply.stop_reason == "tool_use"


async def test_tools_that_were_asked_for_in_an_answer_that_was_too_long_are_not_called_tool_use() -> None:
    reply = await answer(Says(tool_calls=[("c1", "find", '{"ord')], finish_reason="length"))

    assert (reply.stop_reason, reply.tool_calls[0].arguments) == ("max_tokens", '{"ord')


@BOTH
async def test_a_refusal_is_told_with_its_words(api: Api) -> None:
    said = Says(refusal="I cannot help with that.")
    *_, last = await heard(said, api=api)

    assert last == await answer(said, api=api)
    assert last == ModelReply(text="I cannot help with that.", usage=USAGE, stop_reason="refusal")


@BOTH
async def test_an_answer_in_pieces_tells_what_it_thinks_says_and_asks_for_and_then_the_whole(
    api: Api,
) -> None:
    said = Says("It is here.", tool_calls=[("c1", "find", {"order": 7})], reasoning="Hm.")
    *pieces, last = await heard(said, api=api)
    signed = [SignaturePiece(signature_of("Hm."), is_redacted=False)] if api == "responses" else []

    assert pieces == [
        ReasoningPiece("Hm."),
        *signed,
        "It ",
        "is ",
        "here.",
        ToolUsePiece("c1", "find", ""),
        ToolUsePiece("c1", "find", '{"order"'),
        ToolUsePiece("c1", "find", '{"order": 7}'),
    ]
    assert last == await answer(said, api=api)
    assert isinstance(last, ModelReply)
    assert (last.text, last.reasoning, last.usage) == ("It is here.", "Hm.", USAGE)
    assert last.tool_calls == (ToolCall(id="c1", name="find", arguments={"order": 7}),)


async def test_a_thought_that_nobody_may_read_is_told_as_its_signature_and_goes_back_too() -> None:
    async with openai_server(Says("Here.", reasoning="")) as server:
        model = OpenAIModel("gpt-5", base_url=server.base_url, api="responses")
        *pieces, last = [piece async for piece in streamed(model, ASKED)]
        assert isinstance(last, ModelReply)
        again = ModelRequest(messages=(*ASKED.messages, *port_messages(reply_message(last))))
        await model.generate(again)

    assert pieces == [SignaturePiece(signature_of(None), is_redacted=True), "Here."]
    assert (last.reasoning, last.reasoning_signature) == ("", signature_of(None))
    assert server.requests[1]["input"][1]["encrypted_content"] == "c2VhbGVk"


@BOTH
async def test_pages_that_an_answer_cites_are_told(api: Api) -> None:
    about = {"title": "Tides", "url": "https://tides.example/today", "start_index": 3, "end_index": 7}
    said = Says("At noon.", annotations=[{"type": "url_citation", **about}])
    *pieces, last = await heard(said, api=api)
    cited = Citation(title="Tides", url="https://tides.example/today", start=3, end=7)

    assert pieces == ["At ", "noon.", CitationPiece(cited)]
    assert last == await answer(said, api=api) == ModelReply(text="At noon.", usage=USAGE, citations=(cited,))


async def test_files_that_an_answer_cites_are_told_and_those_that_it_only_made_are_not() -> None:
    said = Says(
        "At noon.",
        annotations=[
            {"type": "file_citation", "file_id": "f1", "filename": "tides.pdf", "index": 8},
            {"type": "file_path", "file_id": "f2", "index": 0},
            {
                "type": "container_file_citation",
                "container_id": "c",
                "file_id": "f3",
                "filename": "sea.csv",
                "start_index": 0,
                "end_index": 2,
            },
        ],
    )

    reply = await answer(said, api="responses")

    assert reply.citations == (
        Citation(title="tides.pdf", file_id="f1", start=8, end=8),
        Citation(title="sea.csv", file_id="f3", start=0, end=2),
    )


async def test_an_agent_tells_signatures_and_citations_as_events_and_in_its_message() -> None:
    page = {
        "type": "url_citation",
        "title": "Tides",
        "url": "https://t.example",
        "start_index": 0,
        "end_index": 2,
    }
    said = Says("At noon.", reasoning="Hm.", annotations=[page])
    async with openai_server(said) as server:
        model = OpenAIModel("gpt-5", base_url=server.base_url, api="responses")
        events = [event async for event in Agent(model, callback_handler=None).stream_async("When?")]

    citation = {
        "title": "Tides",
        "location": {"web": {"url": "https://t.example"}},
        "span": {"start": 0, "end": 2},
    }
    kinds = [
        key
        for event in events
        for key in ("reasoningText", "reasoning_signature", "data", "citation")
        if key in event
    ]
    assert kinds == ["reasoningText", "reasoning_signature", "data", "data", "citation", "data"]
    assert next(event["citation"] for event in events if "citation" in event) == citation
    assert events[-1]["result"].message["content"] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": signature_of("Hm.")}}},
        {"text": "At noon."},
        {"citationsContent": {"citations": [citation]}},
    ]


async def test_reasoning_goes_back_to_who_signed_it_and_to_nobody_else() -> None:
    async with openai_server(Says("Here.", reasoning="Hm.")) as server:
        model = OpenAIModel("gpt-5", base_url=server.base_url, api="responses")
        reply = await model.generate(ASKED)
        foreign = Message(role="assistant", content="Hello.", reasoning_signature="of somebody else")
        await model.generate(ModelRequest(messages=(*ASKED.messages, reply.as_message(), foreign)))

    assert server.requests[1]["input"][1:] == [
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "c2VhbGVk",
        },
        {"role": "assistant", "content": "Here."},
        {"role": "assistant", "content": "Hello."},
    ]


@pytest.mark.parametrize("arguments", ['{"order": 7}', {"order": 7}], ids=["text", "an object"])
async def test_tool_calls_that_come_whole_and_under_one_index_are_several(arguments: Any) -> None:
    def chunk(*calls: dict[str, Any], reason: str | None = None) -> str:
        delta = {"role": "assistant", "content": "", "tool_calls": list(calls)}
        body = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "llama3.2"}
        choice = {"index": 0, "delta": delta, "finish_reason": reason}
        return f"data: {json.dumps({**body, 'choices': [choice]})}\n\n"

    def call(call_id: str) -> dict[str, Any]:
        return {"index": 0, "id": call_id, "function": {"name": "find", "arguments": arguments}}

    body = chunk(call("c1")) + chunk(call("c2")) + chunk(reason="stop")
    *pieces, reply = await heard(SaysGarbage(body, content_type="text/event-stream"))

    assert isinstance(reply, ModelReply)
    assert [(one.id, one.arguments) for one in reply.tool_calls] == [
        ("c1", {"order": 7}),
        ("c2", {"order": 7}),
    ]
    assert pieces == [ToolUsePiece(one, "find", '{"order": 7}') for one in ("c1", "c2")]


async def test_tool_calls_without_an_id_get_one() -> None:
    reply = await answer(Says(tool_calls=[("", "find", {}), ("", "find", {})]))

    assert len({call.id for call in reply.tool_calls} - {""}) == 2


# --- Answers of a form ----------------------------------------------------------------------------

CITY = {"title": "City", "type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
UNSUPPORTED = Refuses(400, message="This model does not support response_format json_schema")


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_a_model_that_knows_no_schemas_is_asked_for_json_and_then_in_words_only(
    *,
    in_pieces: bool,
) -> None:
    request = ASKED.model_copy(update={"answer_schema": CITY})
    async with openai_server(UNSUPPORTED, UNSUPPORTED, '{"name": "Utrecht"}') as server:
        model = OpenAIModel("old", base_url=server.base_url)
        if in_pieces:
            *_, reply = [piece async for piece in streamed(model, request)]
        else:
            reply = await model.generate(request)

    assert isinstance(reply, ModelReply)
    assert reply.text == '{"name": "Utrecht"}'
    assert [one.get("response_format", {}).get("type") for one in server.requests] == [
        "json_schema",
        "json_object",
        None,
    ]


async def test_a_request_that_is_refused_for_something_else_is_not_asked_again() -> None:
    request = ASKED.model_copy(update={"answer_schema": CITY})
    async with openai_server(Refuses(400, message="temperature is out of range")) as server:
        with pytest.raises(Exception, match="temperature"):
            await OpenAIModel("gpt-4o", base_url=server.base_url).generate(request)

    assert len(server.requests) == 1


async def test_any_json_is_asked_for_without_a_schema() -> None:
    async with openai_server("{}") as server:
        request = ASKED.model_copy(update={"answer_schema": {}})
        await OpenAIModel("gpt-4o", base_url=server.base_url).generate(request)
        await OpenAIModel("gpt-4o", base_url=server.base_url, api="responses").generate(request)

    assert server.requests[0]["response_format"] == {"type": "json_object"}
    assert server.requests[1]["text"] == {"format": {"type": "json_object"}}
