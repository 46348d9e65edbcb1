"""Callback handlers that come with agents."""

from typing import Any

import pytest

from towpath import Agent, script, tool_call
from towpath.agents.printing import CompositeCallbackHandler, PrintingCallbackHandler, null_callback_handler


def search(query: str) -> str:
    """Search."""
    return f"{query}: 3"


def test_a_conversation_is_printed_and_a_run_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    script("talker", [tool_call("search", query="boats"), "There are three."])
    agent = Agent("test/talker", tools=[search])

    agent("How many?")

    assert capsys.readouterr().out == "\nTool #1: search\nThere are three.\n"


async def test_a_run_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    script("talker", ["There are three."])

    await Agent("test/talker").run("How many?")

    assert capsys.readouterr().out == ""


def test_thoughts_are_printed_and_tools_if_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    begun = {"contentBlockStart": {"start": {"toolUse": {"toolUseId": "1", "name": "search"}}}}
    handler = PrintingCallbackHandler(verbose_tool_use=False)

    handler(reasoningText="Hm. ", reasoning=True)
    handler(event=begun)
    handler(data="Yes", delta={"text": "Yes"})
    handler(data="", complete=True)

    assert capsys.readouterr().out == "Hm. Yes\n"
    assert handler.tool_count == 1


def test_several_handlers_hear_the_same_in_their_order() -> None:
    heard: list[Any] = []

    def first(**event: Any) -> None:
        heard.append(("first", event))

    def second(**event: Any) -> None:
        heard.append(("second", event))

    handler = CompositeCallbackHandler(first, null_callback_handler, second)
    handler(data="x")

    assert heard == [("first", {"data": "x"}), ("second", {"data": "x"})]
