"""Models that say what a test wants: whole and in pieces, and every way in which real ones fail."""

from collections.abc import Generator
from typing import Any

import pytest

from towpath import (
    ComponentError,
    Context,
    ContextOverflowError,
    LanguageModel,
    LocalContext,
    Message,
    ModelError,
    ModelReply,
    ModelRequest,
    ToolCall,
    tool_call,
    workflow,
)
from towpath.models.port import LanguageModel as Port, Piece, ReasoningPiece, ToolUsePiece, streamed
from towpath.models.scripted import script
from towpath.testing import FunctionModel, VirtualPlatform, broken_off, fault, scripted
from towpath_testkit.hosting import own_registry

ASKED = ModelRequest(messages=(Message(role="user", content="Hello"),))


@pytest.fixture(autouse=True)
def registry() -> Generator[None]:
    with own_registry():
        yield


async def heard(model: Port, pieces: list[Piece | ModelReply]) -> list[Piece | ModelReply]:
    async for piece in streamed(model, ASKED):
        pieces.append(piece)  # noqa: PERF401 - what was heard before a failure counts
    return pieces


# --- In pieces ------------------------------------------------------------------------------------


async def test_a_script_is_heard_as_real_models_are() -> None:
    reply = ModelReply(
        text="It is here.",
        reasoning="Hm.",
        tool_calls=(ToolCall(id="c1", name="find", arguments={"order": 7}),),
    )

    assert await heard(scripted(reply), []) == [
        ReasoningPiece("Hm."),
        "It ",
        "is ",
        "here.",
        ToolUsePiece("c1", "find", ""),
        ToolUsePiece("c1", "find", '{"order"'),
        ToolUsePiece("c1", "find", '{"order":7}'),
        reply,
    ]


async def test_an_answer_that_breaks_off_is_heard_until_then() -> None:
    model = scripted(broken_off("It is"))
    pieces: list[Piece | ModelReply] = []

    with pytest.raises(ModelError, match="the connection was lost") as raised:
        await heard(model, pieces)

    assert pieces == ["It ", "is"]
    assert raised.value.failure.retryable
    with pytest.raises(ModelError, match="the connection was lost"):
        await model.generate(ASKED)


async def test_chunks_tell_text_reasoning_and_tool_calls() -> None:
    reply = ModelReply(
        text="Here.", reasoning="Hm.", tool_calls=(ToolCall(id="c1", name="find", arguments={}),)
    )
    model = scripted(reply)

    chunks = [chunk async for chunk in LocalContext().llm.stream("Where?", model=model)]

    assert [(one.text, one.reasoning, one.tool_use) for one in chunks] == [
        ("", "Hm.", None),
        ("Here.", "", None),
        ("", "", ToolUsePiece("c1", "find", "")),
        ("", "", ToolUsePiece("c1", "find", "{}")),
        ("", "", None),
    ]
    assert chunks[-1].response is not None
    assert chunks[-1].response.reasoning == "Hm."


async def test_a_model_by_name_answers_a_prompt_in_pieces() -> None:
    script("says", ["Here it is."])

    chunks = [chunk.text async for chunk in LanguageModel("test/says").stream("Where?")]

    assert chunks == ["Here ", "it ", "is.", ""]


# --- Functions ------------------------------------------------------------------------------------


async def test_a_function_is_a_model_that_remembers_what_it_was_asked() -> None:
    async def answer(request: ModelRequest) -> str:
        return request.messages[-1].content.upper()

    model = FunctionModel(answer, name="loud")

    assert (await model.generate(ASKED)).text == "HELLO"
    assert (await heard(model, []))[0] == "HELLO"
    assert (model.name, model.requests) == ("test/loud", [ASKED, ASKED])


async def test_a_function_may_ask_for_tools() -> None:
    def answer(request: ModelRequest) -> Any:
        return "It rains." if request.messages[-1].role == "tool" else tool_call("look_up", city="Oslo")

    assert (await FunctionModel(answer).generate(ASKED)).tool_calls[0].name == "look_up"


async def test_a_function_that_raises_is_a_failing_model() -> None:
    with pytest.raises(ModelError, match="the script raised ZeroDivisionError"):
        await FunctionModel(lambda _: str(1 // 0)).generate(ASKED)


# --- Faults ---------------------------------------------------------------------------------------

PASSING = ("model_error", "model_throttled", "model_timeout")
FINAL = ("model_auth", "model_quota", "context_overflow", "content_filtered")


@pytest.mark.parametrize("code", PASSING)
async def test_what_may_pass_is_tried_again(code: Any) -> None:
    model = scripted(lambda _: fault(code) if len(model.requests) < 3 else "Hello")

    async with VirtualPlatform() as platform:
        assert await platform.run(_asks(model)) == "Hello"

    assert len(model.requests) == 3


@pytest.mark.parametrize("code", FINAL)
async def test_what_does_not_pass_is_tried_once(code: Any) -> None:
    model = scripted(fault(code))

    async with VirtualPlatform() as platform:
        assert await platform.run(_asks(model)) == f"{code} {type(fault(code)).__name__}"

    assert len(model.requests) == 1


async def test_the_wait_that_a_provider_asks_for_is_kept() -> None:
    model = scripted(
        lambda _: fault("model_throttled", retry_after_s=90) if len(model.requests) == 1 else "Hello"
    )

    async with VirtualPlatform() as platform:
        began = platform.now
        await platform.run(_asks(model))
        waited = platform.now - began

    assert 90 <= waited.total_seconds() < 100


async def test_a_failure_is_of_the_same_class_in_process_on_the_platform_and_in_replay() -> None:
    model = scripted(fault("context_overflow"))
    asks = _asks(model)

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(asks) == "context_overflow ContextOverflowError"
    with pytest.raises(ContextOverflowError):
        await LocalContext().llm.generate("Hello", model=model)


async def test_an_answer_that_was_cut_short_says_so_where_it_does_not_fit() -> None:
    model = scripted(*[ModelReply(text='{"city"', stop_reason="max_tokens")] * 2)

    with pytest.raises(ModelError, match="it stopped because of max_tokens"):
        await LocalContext().llm.generate("Where?", schema=dict[str, str], model=model)


def _asks(model: Port) -> Any:
    @workflow
    async def asks(ctx: Context) -> str:
        try:
            return (await ctx.llm.generate("Hello", model=model)).text
        except ComponentError as error:
            await ctx.step("goes on", lambda: None)
            return f"{error.failure.code} {type(error).__name__}"

    return asks
