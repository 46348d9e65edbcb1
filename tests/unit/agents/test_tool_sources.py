"""Tools that are known only at run time: what one run is told there is, is not for another."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from towpath import Agent, RegistrationError, Tool, script
from towpath.models.port import ModelRequest
from towpath.tools.sources import ToolSource


class Harbour(ToolSource):
    """Tells each run of another ship, the first one only when `second_run` is under way."""

    def __init__(self) -> None:
        self.asked = 0
        self.second_run = asyncio.Event()

    async def tools(self, context: Any) -> Sequence[Tool]:
        self.asked += 1
        number = self.asked
        if number == 1:
            await self.second_run.wait()
        self.second_run.set()
        return [Tool(f"ship_{number}", "A ship.", None, lambda: number)]

    async def close(self) -> None: ...


def names(asked: ModelRequest) -> str:
    return " ".join(one.name for one in asked.tools)


async def test_runs_at_the_same_time_have_each_the_tools_that_they_were_told_of() -> None:
    script("ashore", [names])
    agent = Agent(model="test/ashore", tools=[Harbour()])

    first, second = await asyncio.gather(agent.run("What is there?"), agent.run("What is there?"))

    assert (first.output, second.output) == ("ship_1", "ship_2")


async def test_the_tools_of_a_source_are_named_with_the_others_once_it_was_asked() -> None:
    harbour = Harbour()
    harbour.second_run.set()
    script("ashore", [names])
    agent = Agent(model="test/ashore", tools=[Tool("row", "Row.", None, lambda: None), harbour])

    before = agent.tool_names
    result = await agent.run("What is there?")

    assert before == ["row"]
    assert result.output == "row ship_1"
    assert agent.tool_names == ["row", "ship_1"]


async def test_a_source_may_not_have_a_tool_of_a_name_that_is_taken() -> None:
    harbour = Harbour()
    harbour.second_run.set()
    agent = Agent(model="test/echo", tools=[Tool("ship-1", "Another.", None, lambda: None), harbour])

    with pytest.raises(RegistrationError, match="'ship-1' and 'ship_1' differ by - and _ only"):
        await agent.run("What is there?")
