"""How models are named, what is asked of them, and what scripted ones say."""

from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath import (
    Context,
    LanguageModel,
    Message,
    ModelReply,
    ModelRequest,
    ToolCall,
    script,
    tool_call,
    workflow,
)
from towpath.errors import ConfigurationError, ModelError
from towpath.models import resolve
from towpath.models.openai import OpenAIModel
from towpath.models.port import ToolSpec, digest
from towpath.testing import VirtualPlatform
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallSettled

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda x: st.lists(x) | st.dictionaries(st.text(), x),
    max_leaves=5,
)
CALLS = st.lists(st.builds(ToolCall, id=st.text(), name=st.text(), arguments=JSON), max_size=3).map(tuple)
MESSAGES = st.lists(
    st.builds(
        Message, role=st.sampled_from(["user", "assistant", "tool"]), content=st.text(), tool_calls=CALLS
    ),
    max_size=4,
).map(tuple)
REQUESTS = st.builds(ModelRequest, messages=MESSAGES, system=st.none() | st.text())


def asked(*messages: str) -> ModelRequest:
    roles = ("user", "assistant")
    return ModelRequest(
        messages=tuple(Message(role=roles[at % 2], content=text) for at, text in enumerate(messages))
    )


# --- Names ----------------------------------------------------------------------------------------


def test_a_model_is_found_by_provider_and_name() -> None:
    assert resolve("test/echo").name == "test/echo"
    assert resolve("openai/org/model").name == "openai/org/model"
    assert resolve(resolve("test/echo")) is resolve("test/echo")


@pytest.mark.parametrize("model", ["antrophic/claude", "/gpt-4", "anthropic-responses/claude"])
def test_an_unknown_provider_is_refused_with_the_known_ones(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"name a model as one of openai/\.\.\., .*test/\.\.\."):
        resolve(model)


@pytest.mark.parametrize("model", ["openai/", "openai/gpt 4", "openrouter/auto", "azure/a/b"])
def test_a_name_that_no_model_of_the_provider_has_is_refused_with_one_that_may(model: str) -> None:
    with pytest.raises(ConfigurationError, match=r"is no name of a model of .*; one is '"):
        resolve(model)


@pytest.mark.parametrize("model", ["groq/openai/gpt-oss-20b", "openai-responses/gpt-5", "ollama/llama3.2:3b"])
def test_a_name_is_the_same_in_both_directions(model: str) -> None:
    assert resolve(model).name == model


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"provider": "nobody"}, "no model provider 'nobody'"),
        ({"api": "completions"}, "give 'chat' or 'responses'"),
        ({"provider": "anthropic", "api": "responses"}, "does not speak the responses style"),
    ],
)
def test_a_model_that_cannot_be_is_refused_when_it_is_made(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        OpenAIModel("gpt-4o", **options)


def test_a_name_without_provider_takes_the_default_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "openai/gpt-4o-mini")

    assert resolve("gpt-4").name == "openai/gpt-4"
    assert resolve(None).name == LanguageModel().name == "openai/gpt-4o-mini"


@pytest.mark.parametrize("model", ["gpt-4", None, ""])
def test_without_a_default_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch, model: str | None) -> None:
    monkeypatch.delenv("TOWPATH_DEFAULT_MODEL", raising=False)

    with pytest.raises(ConfigurationError, match="set TOWPATH_DEFAULT_MODEL"):
        resolve(model)


async def test_a_model_by_name_is_asked_by_a_prompt_and_in_a_run_that_is_journaled() -> None:
    script("echoes", lambda request: f"{request.messages[-1].content} {request.max_tokens}")
    model = LanguageModel("test/echoes")

    @workflow
    async def asks(ctx: Context) -> Any:
        return [(await model.generate(prompt="Hello", max_tokens=3)).text, (await model.generate("Bye")).text]

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(asks)
        assert await run.result() == ["Hello 3", "Bye None"]
    assert [one.target for one in run.journal if isinstance(one, CallSettled)] == ["test/echoes"] * 2
    assert (await model.generate(prompt="Hello", max_tokens=3)).text == "Hello 3"
    assert (await model.generate(asked("Hello"))).text == "Hello None"


# --- Requests and replies --------------------------------------------------------------------------


@given(REQUESTS)
def test_a_request_survives_json(request: ModelRequest) -> None:
    again = ModelRequest.from_body(request.to_body())

    assert again == request
    assert digest(again) == digest(request)


@given(st.builds(ModelReply, text=st.text(), tool_calls=CALLS))
def test_a_reply_survives_json(reply: ModelReply) -> None:
    assert ModelReply.from_body(reply.to_body()) == reply


def test_whatever_is_asked_differently_has_another_digest() -> None:
    request = asked("a")
    others = [
        asked("b"),
        asked("a", "b"),
        request.model_copy(update={"system": "s"}),
        request.model_copy(update={"temperature": 0.5}),
        request.model_copy(update={"tools": (ToolSpec(name="t", description="", input_schema={}),)}),
    ]

    assert len({digest(one) for one in [request, *others]}) == 6


def test_what_is_not_used_is_not_written_so_that_old_journals_and_digests_hold() -> None:
    assert Message(role="user", content="a").model_dump() == {
        "role": "user",
        "content": "a",
        "tool_calls": (),
        "tool_call_id": None,
    }
    assert set(ModelReply().model_dump()) == {"text", "tool_calls", "usage", "stop_reason"}
    assert ModelReply().usage.model_dump() == {"input_tokens": 0, "output_tokens": 0}
    assert digest(asked("a")) == "702f49b8ec462da644bb4a61c0f359a0a400b365d514f0415846a25f7cff3145"


def test_a_reply_is_the_next_message_with_what_it_thought() -> None:
    reply = ModelReply(text="Hi", reasoning="Hm.", reasoning_signature="signed")

    assert reply.as_message() == Message(
        role="assistant", content="Hi", reasoning="Hm.", reasoning_signature="signed"
    )


# --- Scripts --------------------------------------------------------------------------------------


async def test_the_reply_depends_only_on_the_turn_of_the_conversation() -> None:
    model = script("desk", ["one", "two"])

    replies = [
        (await model.generate(request)).text for request in (asked("q", "one", "r"), asked("q"), asked("q"))
    ]

    assert replies == ["two", "one", "one"]


async def test_a_script_asks_for_one_or_several_tools() -> None:
    script("desk", [tool_call("find", order=7), [tool_call("find"), tool_call("find")]])

    first = await resolve("test/desk").generate(asked("q"))
    again = await resolve("test/desk").generate(asked("q"))
    second = await resolve("test/desk").generate(asked("q", "a", "r"))

    assert first == again
    assert (first.stop_reason, first.tool_calls[0].name, first.tool_calls[0].arguments) == (
        "tool_use",
        "find",
        {"order": 7},
    )
    assert len({call.id for call in (*first.tool_calls, *second.tool_calls)}) == 3


async def test_an_entry_may_be_computed_from_the_request() -> None:
    script("desk", [lambda request: request.messages[-1].content.upper()])
    script("always", lambda request: f"{len(request.messages)} messages")

    assert (await resolve("test/desk").generate(asked("q"))).text == "Q"
    assert (await resolve("test/always").generate(asked("q", "a", "r"))).text == "3 messages"


async def test_running_out_of_script_says_which_turn() -> None:
    script("short", ["one"])

    with pytest.raises(
        ModelError, match="test/short has a script of 1 turns, and was asked for turn 2"
    ) as raised:
        await resolve("test/short").generate(asked("q", "a", "r"))

    assert not raised.value.failure.retryable


async def test_a_script_may_fail() -> None:
    busy = ModelError(Failure(code="model_error", message="busy", retryable=True, retry_after_s=1))
    script("busy", [busy])
    script("broken", [lambda request: str(1 // 0)])

    with pytest.raises(ModelError, match="busy"):
        await resolve("test/busy").generate(asked("q"))
    with pytest.raises(ModelError, match="the script raised ZeroDivisionError"):
        await resolve("test/broken").generate(asked("q"))


async def test_a_script_that_nobody_wrote_is_refused_with_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match=r"test/nobody; there is .*test/echo"):
        resolve("test/nobody")


async def test_echo_repeats_the_last_message() -> None:
    assert (await resolve("test/echo").generate(asked("hello"))).text == "hello"
