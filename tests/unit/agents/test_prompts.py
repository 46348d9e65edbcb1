"""What an agent may be told, and what it says of a history with open ends."""

from typing import Any

import pytest

from towpath import Agent, Message, tool_call
from towpath.errors import InvalidInputError
from towpath.models.images import Image
from towpath.testing import scripted

PNG = b"\x89PNG\r\n\x1a\n"
OPEN: dict[str, Any] = {
    "role": "assistant",
    "content": [{"toolUse": {"toolUseId": "c1", "name": "act", "input": {}}}],
}


def act() -> str:
    return "acted"


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        ("hi", [("user", "hi")]),
        ([{"text": "a"}, {"text": "b"}], [("user", "a\nb")]),
        (
            [{"role": "user", "content": [{"text": "a"}]}, {"role": "assistant", "content": [{"text": "b"}]}],
            [("user", "a"), ("assistant", "b")],
        ),
        ([Message(role="user", content="a")], [("user", "a")]),
        ([{"role": "user", "content": "plain"}], [("user", "plain")]),
    ],
    ids=["text", "blocks", "messages", "port messages", "plain messages"],
)
async def test_a_prompt_is_written_in_many_ways(prompt: Any, told: list[tuple[str, str]]) -> None:
    model = scripted("ok", "ok")

    await Agent(model, callback_handler=None).invoke_async(prompt)

    assert [(one.role, one.content) for one in model.requests[0].messages] == told


@pytest.mark.parametrize(
    "prompt",
    [
        [{"image": {"format": "png", "source": {"bytes": PNG}}}, {"text": "what is it?"}],
        ["what is it?", Image.of(PNG)],
    ],
    ids=["blocks", "objects"],
)
async def test_an_image_is_shown(prompt: Any) -> None:
    model = scripted("ok")
    agent = Agent(model, callback_handler=None)

    await agent.invoke_async(prompt)

    (message,) = model.requests[0].messages
    assert (message.content, message.images) == ("what is it?", (Image.of(PNG),))
    assert any(
        block.get("image") == {"format": "png", "source": {"bytes": PNG}}
        for block in agent.messages[0]["content"]
    )


@pytest.mark.parametrize("prompt", [None, []])
async def test_no_prompt_goes_on_with_the_history(prompt: Any) -> None:
    model = scripted("ok")
    agent = Agent(model, messages=[{"role": "user", "content": [{"text": "before"}]}], callback_handler=None)

    await agent.invoke_async(prompt)

    assert [one.content for one in model.requests[0].messages] == ["before"]


@pytest.mark.parametrize("prompt", [5, {"text": "a"}, [{"text": "a"}, {"role": "user", "content": "b"}]])
async def test_what_is_no_prompt_is_refused_and_nothing_is_added(prompt: Any) -> None:
    agent = Agent(scripted("ok"), callback_handler=None)

    with pytest.raises(InvalidInputError, match="a prompt"):
        await agent.invoke_async(prompt)
    assert agent.messages == []


async def test_the_list_that_was_given_is_the_conversation() -> None:
    messages: list[Any] = []
    agent = Agent(scripted("ok"), messages=messages, callback_handler=None)

    await agent.invoke_async("q")

    assert agent.messages is messages
    assert len(messages) == 2


async def test_open_tool_calls_are_answered_before_a_new_prompt() -> None:
    model = scripted("unused", "ok")
    agent = Agent(model, messages=[OPEN], tools=[act], callback_handler=None)

    await agent.invoke_async("never mind")

    told = model.requests[0].messages
    assert [(one.role, one.content, one.failed) for one in told[1:]] == [
        ("tool", "Tool was interrupted.", True),
        ("user", "never mind", False),
    ]


async def test_open_tool_calls_are_made_where_there_is_no_new_prompt() -> None:
    model = scripted("unused", "ok")
    agent = Agent(model, messages=[OPEN], tools=[act], callback_handler=None)

    result = await agent.invoke_async()

    assert (result.output, [one.content for one in model.requests[0].messages]) == ("ok", ["", "acted"])


async def test_the_system_prompt_may_change_between_calls() -> None:
    model = scripted("a", "b", "c")
    agent = Agent(model, system_prompt=[{"text": "Be brief."}, {"text": "Be kind."}], callback_handler=None)

    await agent.invoke_async("q")
    agent.system_prompt = "Be loud."
    await agent.invoke_async("q")
    agent.system_prompt = None
    await agent.invoke_async("q")

    assert [request.system for request in model.requests] == ["Be brief.\nBe kind.", "Be loud.", None]
    assert agent.system_prompt_content is None


async def test_a_tool_may_answer_with_blocks_and_with_an_image() -> None:
    def draw() -> dict[str, Any]:
        return {"status": "error", "content": [{"text": "half done"}, {"json": {"left": 2}}]}

    model = scripted(tool_call("draw"), "ok")

    await Agent(model, tools=[draw]).run("q")

    told = model.requests[1].messages[-1]
    assert (told.content, told.failed) == ('half done\n{"left":2}', True)
