"""Asking a language model from a component, in this process."""

import asyncio
import gc
import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import BaseModel

from towpath import LanguageModel, LocalContext, Message, ModelReply, ModelRequest, script, tool_call
from towpath.context_services.llm import LLMResponse
from towpath.context_services.llm_stream import LLMChunk
from towpath.errors import ConfigurationError, ModelError
from towpath.models.port import streamed
from towpath_schemas.failure import Failure
from towpath_schemas.usage import Usage
from towpath_testkit.settled import until_so


class Order(BaseModel):
    number: int
    city: str


@pytest.fixture
def context(monkeypatch: pytest.MonkeyPatch) -> LocalContext:
    monkeypatch.setenv("TOWPATH_DEFAULT_MODEL", "test/clerk")
    return LocalContext()


@pytest.fixture
def asked() -> list[ModelRequest]:
    """Have `test/clerk` say JSON, and keep what it was asked."""
    requests: list[ModelRequest] = []

    def clerk(request: ModelRequest) -> str:
        requests.append(request)
        return '{"number": 7, "city": "Utrecht"}'

    script("clerk", clerk)
    return requests


# --- What is asked ----------------------------------------------------------------------------------


async def test_a_prompt_is_text_or_messages_and_may_follow_a_conversation(
    context: LocalContext, asked: list[ModelRequest]
) -> None:
    llm = context.llm
    await llm.generate("Hello.")
    await llm.generate(
        prompt=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    )
    await llm.generate("And now?", messages=[Message(role="user", content="Hello.")], system="Be kind.")

    conversations = [[(one.role, one.content) for one in request.messages] for request in asked]
    assert conversations == [
        [("user", "Hello.")],
        [("system", "Be brief."), ("user", "Hello.")],
        [("user", "Hello."), ("user", "And now?")],
    ]
    assert [request.system for request in asked] == [None, None, "Be kind."]


async def test_limits_and_tools_reach_the_model(context: LocalContext, asked: list[ModelRequest]) -> None:
    async def find(query: str) -> str:
        """Find it."""
        return query

    await context.llm.generate("Hello.", tools=[find], temperature=0.5, max_tokens=10)

    request = asked[0]
    assert (request.temperature, request.max_tokens) == (0.5, 10)
    assert [(one.name, one.description) for one in request.tools] == [("find", "Find it.")]


@pytest.mark.parametrize("verb", ["generate", "stream"])
def test_nothing_cannot_be_asked(context: LocalContext, verb: str) -> None:
    with pytest.raises(TypeError, match="give a prompt, or messages"):
        getattr(context.llm, verb)()


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("model", [None, "clerk", "test/clerk", LanguageModel("test/clerk")], ids=repr)
async def test_a_model_without_a_provider_is_the_default_providers(context: LocalContext, model: Any) -> None:
    assert (await context.llm.generate("Hello.", model=model)).model == "test/clerk"


def test_an_unknown_model_is_refused_at_once(context: LocalContext) -> None:
    with pytest.raises(ConfigurationError, match="no model provider 'nobody'"):
        _ = context.llm.generate("Hello.", model="nobody/gpt-4")


# --- What is answered -------------------------------------------------------------------------------


@pytest.mark.usefixtures("asked")
async def test_an_answer_is_its_text_and_what_it_cost(context: LocalContext) -> None:
    response = await context.llm.generate("Hello there.")

    assert (response.text, response.object) == ('{"number": 7, "city": "Utrecht"}', None)
    assert response.usage == Usage(input_tokens=2, output_tokens=1)
    assert response.as_message().role == "assistant"


async def test_tool_calls_are_in_the_answer(context: LocalContext) -> None:
    script("clerk", [tool_call("find", query="a")])

    response = await context.llm.generate("Find a.", schema=Order)

    assert [(call.name, call.arguments) for call in response.tool_calls] == [("find", {"query": "a"})]
    assert response.object is None


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"response_format": "json"}, {"number": 7, "city": "Utrecht"}),
        ({"schema": {"type": "object"}}, {"number": 7, "city": "Utrecht"}),
        ({"schema": Order, "response_format": "json"}, Order(number=7, city="Utrecht")),
        ({"schema": dict[str, int | str]}, {"number": 7, "city": "Utrecht"}),
        ({"response_format": "text"}, None),
    ],
    ids=["json", "schema", "model", "type", "text"],
)
@pytest.mark.usefixtures("asked")
async def test_json_is_read_as_what_was_asked_for(
    context: LocalContext, options: dict[str, Any], expected: Any
) -> None:
    assert (await context.llm.generate("Where is it?", **options)).object == expected


async def test_the_model_is_told_the_form(context: LocalContext, asked: list[ModelRequest]) -> None:
    await context.llm.generate("Where is it?", system="Be brief.", schema=Order)
    await context.llm.generate("Where is it?", response_format="json")

    assert [request.answer_schema for request in asked] == [Order.model_json_schema(), {}]
    assert re.match(r"Be brief\.\n\nAnswer with one JSON value.* JSON Schema: \{", asked[0].system or "")
    assert asked[1].system == "Answer with one JSON value and nothing else"


async def test_json_in_a_fence_is_json(context: LocalContext) -> None:
    script("clerk", ["```json\n[1, 2]\n```"])

    assert (await context.llm.generate("Count.", response_format="json")).object == [1, 2]


async def test_an_answer_of_another_form_is_sent_back_with_what_is_wrong(context: LocalContext) -> None:
    told: list[str] = []

    def clerk(request: ModelRequest) -> str:
        told.append(request.messages[-1].content)
        return '{"number": "x", "city": "Utrecht"}' if len(told) == 1 else '{"number": 7, "city": "Utrecht"}'

    script("clerk", clerk)

    response = await context.llm.generate("Where is it?", schema=Order)

    assert response.object == Order(number=7, city="Utrecht")
    assert told[1].startswith("That is not as asked: number: Input should be a valid integer")


async def test_a_model_that_does_not_keep_to_the_form_has_failed(context: LocalContext) -> None:
    script("clerk", lambda request: "It is in Utrecht.")

    with pytest.raises(
        ModelError, match=r"test/clerk: the answer does not have the form.*Invalid JSON"
    ) as raised:
        await context.llm.generate("Where is it?", schema=Order)

    assert not raised.value.failure.retryable


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"response_format": "xml"}, "response_format='xml': it is 'text' or 'json'"),
        ({"response_format": "text", "schema": Order}, "an answer that is text has no schema"),
        ({"schema": object()}, "is neither a JSON Schema nor a type"),
    ],
    ids=["format", "text", "schema"],
)
def test_a_form_that_nobody_can_answer_in_is_refused(
    context: LocalContext, options: dict[str, Any], problem: str
) -> None:
    with pytest.raises((TypeError, ValueError), match=problem):
        _ = context.llm.generate("Where is it?", **options)


# --- Streams ----------------------------------------------------------------------------------------


async def test_an_answer_is_heard_in_pieces_with_and_without_await(context: LocalContext) -> None:
    script("clerk", lambda request: "It is in Utrecht.")

    with_await = [chunk async for chunk in await context.llm.stream("Where is it?")]
    without = [chunk async for chunk in context.llm.stream("Where is it?", model="clerk")]

    assert [chunk.text for chunk in with_await] == ["It ", "is ", "in ", "Utrecht.", ""]
    assert with_await == without
    response = with_await[-1].response
    assert isinstance(response, LLMResponse)
    assert (response.text, response.model) == ("It is in Utrecht.", "test/clerk")
    assert [chunk.response for chunk in with_await[:-1]] == [None] * 4


class Speaking:
    """A model whose streams are written by a test."""

    name = "speaking"

    def __init__(self, *streams: list[str | ModelReply | ModelError]) -> None:
        self.streams = [*streams]
        self.closed = 0

    async def generate(self, request: ModelRequest) -> ModelReply:
        raise AssertionError("it is to be heard while it answers")

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        try:
            for piece in self.streams.pop(0):
                if isinstance(piece, ModelError):
                    raise piece
                yield piece
        finally:
            self.closed += 1


def unwell() -> ModelError:
    return ModelError(Failure(code="model_error", message="busy", retryable=True, retry_after_s=0))


async def texts(context: LocalContext, model: Any) -> list[str]:
    return [chunk.text async for chunk in context.llm.stream("Where is it?", model=model)]


async def test_a_model_that_fails_before_it_says_anything_is_asked_again(context: LocalContext) -> None:
    model = Speaking([unwell()], ["In ", "Utrecht.", ModelReply(text="In Utrecht.")])

    assert await texts(context, model) == ["In ", "Utrecht.", ""]


async def test_a_model_that_fails_after_it_was_heard_has_failed(context: LocalContext) -> None:
    model = Speaking(["In ", unwell()], ["In Utrecht."])
    heard: list[str] = []

    async def listen() -> None:
        async for chunk in context.llm.stream("Where is it?", model=model):
            heard.append(chunk.text)  # noqa: PERF401 - what was heard before the failure counts

    with pytest.raises(ModelError, match="busy") as raised:
        await listen()

    assert (heard, raised.value.failure.retryable, len(model.streams)) == (["In "], False, 1)


async def test_a_stream_that_ends_without_a_reply_is_a_failure(context: LocalContext) -> None:
    with pytest.raises(ModelError, match="the stream ended without a reply"):
        await texts(context, Speaking([]))


async def test_a_model_that_cannot_be_heard_answers_in_one_piece(context: LocalContext) -> None:
    class Silent:
        name = "silent"

        async def generate(self, request: ModelRequest) -> ModelReply:
            return ModelReply(text=request.messages[0].content)

    assert await texts(context, Silent()) == ["Where is it?", ""]
    assert [piece async for piece in streamed(Silent(), ModelRequest(messages=(Message(role="user"),)))] == [
        ModelReply()
    ]


async def test_whoever_has_heard_enough_stops_the_model(context: LocalContext) -> None:
    model = Speaking(["In ", *["Utrecht "] * 100_000])

    async for chunk in context.llm.stream("Where is it?", model=model):
        assert chunk == LLMChunk("In ")
        break
    gc.collect()

    await until_so(lambda: model.closed == 1)


async def test_a_task_that_is_cancelled_stops_the_model(context: LocalContext) -> None:
    class Endless(Speaking):
        begun = False
        closed: int

        async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
            self.begun = True
            try:
                yield "In "
                await asyncio.Event().wait()
            finally:
                self.closed += 1

    model = Endless()
    listening = asyncio.create_task(texts(context, model))
    await until_so(lambda: model.begun)
    listening.cancel()

    await until_so(lambda: model.closed == 1)
