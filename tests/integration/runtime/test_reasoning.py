"""What a provider wants to see again of its model's reasoning is in the journal: whoever goes on with a run hands it back."""

import asyncio
from typing import Any

import pytest

from towpath import Agent, Client, tool
from towpath.models.openai import OpenAIModel
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.openai_server import Says, openai_server

pytestmark = pytest.mark.live

DETAILS: list[dict[str, Any]] = [
    {
        "type": "reasoning.text",
        "text": "The user wants order 7.",
        "signature": "c2lnbmVk",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "c2VhbGVk", "id": "c1", "index": 1},
]


async def test_details_of_reasoning_outlive_the_runner_that_heard_them(towpath: Platform) -> None:
    called, answers = asyncio.Event(), asyncio.Event()

    @tool
    async def find(order: int) -> str:
        """Find an order."""
        called.set()
        await answers.wait()
        return f"order {order} is in Utrecht"

    looks = Says(reasoning="Order 7.", reasoning_details=DETAILS, tool_calls=[("c1", "find", {"order": 7})])
    async with openai_server(looks, "In Utrecht.") as server, Client(towpath.url) as client:
        model = OpenAIModel("a/model", provider="openrouter", base_url=server.base_url, api_key="any")
        Agent(model, name="desk", tools=[find])
        await asyncio.gather(towpath.router(lost_after_s=1.5), towpath.tool_runner())
        first = await towpath.agent_runner()
        run_id = await client.start("desk", "Where is order 7?", tenant=TENANT)
        await called.wait()
        await first.crash()
        answers.set()
        await towpath.agent_runner()

        assert (await client.result(run_id))["output"] == "In Utrecht."

    assert [len(request["messages"]) for request in server.requests] == [1, 3]
    assert server.requests[1]["messages"][1]["reasoning_details"] == DETAILS
