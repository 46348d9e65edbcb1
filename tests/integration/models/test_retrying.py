"""Programs that work through servers which stumble: what passes is tried again, after the wait that was asked for."""

from collections.abc import Generator
from typing import Literal

import pytest

from towpath import Agent, LanguageModel, tool
from towpath.errors import ModelQuotaError
from towpath.local.local_context import LocalContext
from towpath.models.openai import OpenAIModel
from towpath_schemas.usage import Usage
from towpath_testkit.hosting import own_registry
from towpath_testkit.openai_server import CutsOff, Refuses, Says, openai_server

BRIEFLY = {"retry-after-ms": "1"}


@pytest.fixture(autouse=True)
def registry() -> Generator[None]:
    with own_registry():
        yield


async def test_an_agent_works_through_a_server_that_stumbles(monkeypatch: pytest.MonkeyPatch) -> None:
    @tool
    async def find(order: int) -> str:
        """Find an order."""
        return f"order {order} is in Utrecht"

    stumbling = (
        Refuses(429, headers={"retry-after": "0"}),
        Says(tool_calls=[("c1", "find", {"order": 7})], cached=4),
        Refuses(500, headers=BRIEFLY),
        "It is in Utrecht.",
    )
    async with openai_server(*stumbling) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        result = await Agent(model="openai/gpt-4o-mini", tools=[find]).run("Where is order 7?")

    assert result.output == "It is in Utrecht."
    assert result.usage == Usage(input_tokens=22, output_tokens=14, cache_read_tokens=4)
    assert server.requests[-1]["messages"][-1]["content"] == "order 7 is in Utrecht"


@pytest.mark.parametrize("api", ["chat", "responses"])
async def test_an_agent_is_heard_while_its_model_thinks_speaks_and_asks(
    api: Literal["chat", "responses"],
) -> None:
    @tool
    async def find(order: int) -> str:
        """Find an order."""
        return f"order {order} is in Utrecht"

    looks = Says("I look.", reasoning="Hm.", tool_calls=[("c1", "find", {"order": 7})])
    async with openai_server(looks, "In Utrecht.") as server:
        model = OpenAIModel("gpt-5", base_url=server.base_url, api=api)
        agent = Agent(model=model, tools=[find], callback_handler=None)
        heard = [(event.type, event.content) async for event in agent.stream("Where is order 7?")]

    assert [one for one in heard if one[0] in ("thinking", "response.delta")] == [
        ("thinking", "Hm."),
        ("response.delta", "I "),
        ("response.delta", "look."),
        ("response.delta", "In "),
        ("response.delta", "Utrecht."),
    ]
    assert all(request["stream"] for request in server.requests)


async def test_a_connection_that_is_lost_is_lived_through() -> None:
    async with openai_server(CutsOff(), "Hello.") as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url)
        response = await LocalContext().llm.generate("Hello", model=model)

    assert (response.text, len(server.requests)) == ("Hello.", 2)


async def test_an_empty_account_is_told_at_once() -> None:
    async with openai_server(Refuses(429, code="insufficient_quota", headers=BRIEFLY)) as server:
        model = OpenAIModel("gpt-4o-mini", base_url=server.base_url)
        with pytest.raises(ModelQuotaError):
            await LocalContext().llm.generate("Hello", model=model)

    assert len(server.requests) == 1


async def test_an_answer_that_does_not_fit_is_asked_for_again_and_parsed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with openai_server('{"city": 5}', '{"city": "Utrecht"}') as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        model = LanguageModel("openai/gpt-4o-mini")
        response = await model.generate(prompt="Where?", schema=dict[str, str])

    assert response.parsed == response.object == {"city": "Utrecht"}
    assert len(server.requests) == 2
