"""What each provider is sent, byte for byte as it was recorded when somebody looked at it.

A request that has no recording is recorded, and the test fails once, so that somebody looks.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from towpath import Image, Message, ModelRequest, ToolCall
from towpath.models import PROVIDERS, resolve
from towpath.models.openai import OpenAIModel
from towpath.models.port import LanguageModel, ModelReply, ToolSpec, streamed
from towpath.models.providers import PROVIDERS as ABOUT
from towpath_testkit.openai_server import OpenAIServer, Received, Says, openai_server

RECORDINGS = Path(__file__).parents[2] / "data" / "model_requests"
SENT_WITH = ("authorization", "api-key", "openai-organization", "x-title")

PNG = b"\x89PNG\r\n\x1a\n"
SCHEMA = {
    "title": "Whereabouts",
    "type": "object",
    "properties": {"city": {"type": "string"}, "since": {"type": "string", "default": "today"}},
    "required": ["city"],
}
FULL = ModelRequest(
    system="Be brief.",
    messages=(
        Message(
            role="user",
            content="Where is what I show you?",
            images=(Image.of(PNG), Image(url="https://example.com/parcel.jpg")),
        ),
        Message(
            role="assistant",
            content="I look.",
            tool_calls=(
                ToolCall(id="c1", name="find", arguments={"order": 7}),
                ToolCall(id="c2", name="find", arguments='{"order'),
            ),
            reasoning="Two parcels.",
            reasoning_signature='[{"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "x"}]',
        ),
        Message(role="tool", content="see the picture", tool_call_id="c1", images=(Image.of(PNG),)),
        Message(role="tool", content="Error: no JSON", tool_call_id="c2", failed=True),
        Message(role="user", content="And now?"),
    ),
    tools=(ToolSpec(name="find", description="Find it.", input_schema={"type": "object", "properties": {}}),),
    temperature=0.5,
    max_tokens=100,
    answer_schema=SCHEMA,
    tool_choice="any",
)
ASKED = ModelRequest(messages=(Message(role="user", content="Hello"),))


def as_recorded(received: Received) -> dict[str, Any]:
    headers = {name: received.headers[name] for name in SENT_WITH if name in received.headers}
    return {"path": received.path, "query": received.query, "headers": headers, "body": received.body}


def assert_recorded(name: str, found: Any) -> None:
    file = RECORDINGS / f"{name}.json"
    if not file.exists():
        file.write_text(json.dumps(found, indent=2) + "\n", "utf-8")
        pytest.fail(f"{file.name} is recorded now; look at it, and run the test again")
    assert found == json.loads(file.read_text("utf-8"))


async def ask(model: LanguageModel, request: ModelRequest, *, in_pieces: bool) -> None:
    if not in_pieces:
        await model.generate(request)
        return
    async for _ in streamed(model, request):
        pass


def has_address(monkeypatch: pytest.MonkeyPatch, provider: str, server: OpenAIServer) -> None:
    about = ABOUT[provider.removesuffix("-responses")]
    is_azure = about.version is not None
    monkeypatch.setenv(about.url, server.base_url.removesuffix("/v1") if is_azure else server.base_url)


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "test"])
async def test_a_provider_is_sent_what_was_recorded(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = ABOUT[provider.removesuffix("-responses")].example
    async with openai_server('{"city": "Utrecht", "since": "today"}') as server:
        has_address(monkeypatch, provider, server)
        model = resolve(f"{provider}/{example}")
        await ask(model, FULL, in_pieces=False)
        await ask(model, ASKED, in_pieces=True)

    assert model.name == f"{provider}/{example}"
    assert_recorded(provider, [as_recorded(one) for one in server.received])


async def test_openrouter_is_sent_the_details_of_its_reasoning_as_they_were_recorded() -> None:
    looks = Says(
        "I look.",
        tool_calls=[("c1", "find", {"order": 7})],
        reasoning="Order 7.",
        reasoning_details=[
            {
                "type": "reasoning.text",
                "text": "The user wants order 7.",
                "signature": "c2lnbmVk",
                "format": "anthropic-claude-v1",
                "index": 0,
            },
            {
                "type": "reasoning.encrypted",
                "data": "c2VhbGVk",
                "id": "c1",
                "format": "google-gemini-v1",
                "index": 0,
            },
        ],
    )

    def goes_on(reply: ModelReply) -> ModelRequest:
        found = Message(role="tool", content="in Utrecht", tool_call_id="c1")
        return ModelRequest(messages=(*ASKED.messages, reply.as_message(), found))

    async with openai_server(looks, "In Utrecht.", looks, "In Utrecht.") as server:
        model = OpenAIModel(
            ABOUT["openrouter"].example,
            provider="openrouter",
            base_url=server.base_url,
            extra={"reasoning": {"effort": "low"}},
        )
        whole = await model.generate(ASKED)
        await ask(model, goes_on(whole), in_pieces=False)
        *_, streamed_reply = [piece async for piece in model.stream(ASKED)]
        assert isinstance(streamed_reply, ModelReply)
        await ask(model, goes_on(streamed_reply), in_pieces=True)

    assert_recorded("openrouter-reasoning", [as_recorded(one) for one in server.received])


async def test_any_server_is_sent_its_own_headers_and_extras() -> None:
    async with openai_server() as server:
        model = OpenAIModel(
            "local-model",
            base_url=server.base_url,
            api_key="any",
            headers={"X-Title": "Our desk"},
            extra={"top_k": 5, "seed": 1},
        )
        await model.generate(ASKED)

    assert_recorded("any-server", [as_recorded(one) for one in server.received])


@pytest.mark.parametrize(
    ("choice", "chat", "responses"),
    [
        ("auto", "auto", "auto"),
        ("none", "none", "none"),
        ("any", "required", "required"),
        (
            "find",
            {"type": "function", "function": {"name": "find"}},
            {"type": "function", "name": "find"},
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "named",
)
async def test_which_tool_to_ask_for_is_said_in_each_style(choice: str, chat: Any, responses: Any) -> None:
    request = ASKED.model_copy(update={"tools": FULL.tools, "tool_choice": choice})
    async with openai_server() as server:
        await OpenAIModel("m", base_url=server.base_url).generate(request)
        await OpenAIModel("m", base_url=server.base_url, api="responses").generate(request)

    assert [one["tool_choice"] for one in server.requests] == [chat, responses]


async def test_without_tools_no_choice_is_sent() -> None:
    async with openai_server() as server:
        await OpenAIModel("m", base_url=server.base_url).generate(
            ASKED.model_copy(update={"tool_choice": "any"})
        )

    assert "tool_choice" not in server.requests[0]
