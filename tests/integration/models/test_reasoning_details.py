"""Details of a model's reasoning go back to OpenRouter as they came: whole, in pieces, out of snapshots; to nobody else."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath import Agent, Snapshot, tool
from towpath.models.openai import OpenAIModel
from towpath.models.openai.reasoning_details import ReasoningDetails, kept_details, signature_of
from towpath.models.port import Message, ModelReply, ModelRequest, SignaturePiece, streamed
from towpath_testkit.hosting import own_registry
from towpath_testkit.openai_server import Says, openai_server

DETAILS: list[dict[str, Any]] = [
    {
        "type": "reasoning.text",
        "text": "The order is seven; I look it up.",
        "signature": "c2lnbmVk",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {
        "type": "reasoning.summary",
        "summary": "Looking up an order, först.",
        "id": None,
        "format": "openai-responses-v1",
        "index": 1,
    },
    {
        "type": "reasoning.encrypted",
        "data": "c2VhbGVk",
        "id": "rs_1",
        "format": "openai-responses-v1",
        "index": 2,
    },
    {"type": "reasoning.encrypted", "data": "YWxzbw==", "id": "c1", "format": "google-gemini-v1", "index": 2},
]
LOOKS = Says(
    "I look.",
    reasoning="The order is seven.",
    reasoning_details=DETAILS,
    tool_calls=[("c1", "find", {"order": 7})],
)
ASKED = ModelRequest(messages=(Message(role="user", content="Where is order 7?"),))


def openrouter(base_url: str) -> OpenAIModel:
    return OpenAIModel("anthropic/claude-sonnet-4.5", provider="openrouter", base_url=base_url)


async def reply_of(model: OpenAIModel, *, in_pieces: bool) -> ModelReply:
    if not in_pieces:
        return await model.generate(ASKED)
    *_, reply = [piece async for piece in streamed(model, ASKED)]
    assert isinstance(reply, ModelReply)
    return reply


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_an_agent_hands_the_details_back_as_they_came(*, in_pieces: bool) -> None:
    with own_registry():

        @tool
        def find(order: int) -> str:
            """Find an order."""
            return f"order {order} is in Utrecht"

        async with openai_server(LOOKS, "In Utrecht.", "Still there.") as server:
            agent = Agent(openrouter(server.base_url), tools=[find], callback_handler=None)
            if in_pieces:
                assert [event async for event in agent.stream_async("Where is order 7?")]
            else:
                await agent.invoke_async("Where is order 7?")
            snapshot = Snapshot.from_body(agent.take_snapshot(preset="session").to_body())
            another = Agent(openrouter(server.base_url), tools=[find], callback_handler=None)
            another.load_snapshot(snapshot)
            await another.invoke_async("And now?")

    told = [
        [message.get("reasoning_details") for message in request["messages"]] for request in server.requests
    ]
    assert told == [[None], [None, DETAILS, None], [None, DETAILS, None, None, None]]
    assert server.requests[0].get("stream", False) is in_pieces


async def test_details_that_are_streamed_are_told_as_a_signature_once_they_are_whole() -> None:
    async with openai_server(LOOKS, Says(reasoning_details=DETAILS[2:])) as server:
        model = openrouter(server.base_url)
        *pieces, reply = [piece async for piece in streamed(model, ASKED)]
        *_, unreadable, _ = [piece async for piece in streamed(model, ASKED)]

    assert isinstance(reply, ModelReply)
    assert kept_details(reply.reasoning_signature) == DETAILS
    assert pieces[-1] == SignaturePiece(reply.reasoning_signature or "", is_redacted=False)
    assert unreadable == SignaturePiece(signature_of(DETAILS[2:]) or "", is_redacted=True)


@pytest.mark.parametrize("in_pieces", [False, True])
async def test_other_providers_are_neither_asked_for_details_nor_told_any(*, in_pieces: bool) -> None:
    async with openai_server(LOOKS, LOOKS, "Hello.", "Hello.") as server:
        groq = OpenAIModel("openai/gpt-oss-20b", provider="groq", base_url=server.base_url)
        kept = await reply_of(openrouter(server.base_url), in_pieces=in_pieces)
        not_kept = await reply_of(groq, in_pieces=in_pieces)
        responses = OpenAIModel("gpt-5", base_url=server.base_url, api="responses")
        again = ModelRequest(messages=(*ASKED.messages, kept.as_message()))
        for model in (groq, responses):
            await model.generate(again)

    assert not_kept == kept.model_copy(update={"reasoning_signature": None})
    assert not any("reasoning_details" in message for message in server.requests[2]["messages"])
    assert {item.get("type") for item in server.requests[3]["input"]} == {None, "function_call"}


@pytest.mark.parametrize(
    "signature", [None, "of somebody else", "[]", '[{"type": "reasoning", "id": "rs_0"}]', "7", '{"a": 1}']
)
async def test_a_signature_of_another_kind_is_not_handed_to_openrouter(signature: str | None) -> None:
    message = Message(role="assistant", content="Hello.", reasoning_signature=signature)
    async with openai_server("Hello.") as server:
        await openrouter(server.base_url).generate(ModelRequest(messages=(*ASKED.messages, message)))

    assert server.requests[0]["messages"][1] == {"role": "assistant", "content": "Hello."}


# --- Pieces of details ----------------------------------------------------------------------------


def together(*pieces: dict[str, Any]) -> list[dict[str, Any]]:
    details = ReasoningDetails()
    details.add(pieces)
    return kept_details(details.signature)


def text(said: str | None, index: int | None = 0, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.text", "text": said, "index": index, **more}


def sealed(data: str, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "reasoning.encrypted", "data": data, "index": index, **more}


def summary(said: str, index: int = 0) -> dict[str, Any]:
    return {"type": "reasoning.summary", "summary": said, "index": index}


@given(st.lists(st.lists(st.text(max_size=3), min_size=1, max_size=4), max_size=4), st.randoms())
def test_texts_are_put_together_by_their_index_whatever_comes_between(
    texts: list[list[str]], chance: Any
) -> None:
    waiting = [[text(part, index) for part in parts] for index, parts in enumerate(texts)]
    pieces: list[dict[str, Any]] = []
    while any(waiting):
        pieces.append(chance.choice([one for one in waiting if one]).pop(0))
    first_seen: dict[int, None] = dict.fromkeys(piece["index"] for piece in pieces)

    assert together(*pieces) == [text("".join(texts[index]), index) for index in first_seen]


@pytest.mark.parametrize(
    ("pieces", "details"),
    [
        (
            [text("a"), text("b", signature="s"), sealed("x", id="r")],
            [text("ab", signature="s"), sealed("x", id="r")],
        ),
        ([summary("a"), sealed("x"), summary("b"), summary("c")], [summary("a"), sealed("x"), summary("bc")]),
        (
            [text("a"), sealed("x"), {"type": "reasoning.text", "signature": "s", "index": 0}],
            [text("a", signature="s"), sealed("x")],
        ),
        ([sealed("x"), sealed("y")], [sealed("x"), sealed("y")]),
        ([text("a", id="r1"), text("b", id="r2")], [text("a", id="r1"), text("b", id="r2")]),
        ([text("a", id=None), text("b", id="r")], [text("ab", id="r")]),
        (
            [text("a", signature=None), text(None, signature="s"), text("b")],
            [text("ab", signature="s")],
        ),
        ([text("a", None), text("b", None)], [text("ab", None)]),
        ([{"type": "reasoning.new", "note": 1}] * 2, [{"type": "reasoning.new", "note": 1}] * 2),
    ],
)
def test_only_pieces_of_one_text_are_put_together(
    pieces: list[dict[str, Any]], details: list[dict[str, Any]]
) -> None:
    assert together(*pieces) == details
