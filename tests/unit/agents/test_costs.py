"""What agents cost: told in results, metrics and journals, where somebody has said what their models cost."""

from typing import Any

import pytest

from towpath import Agent, Context, ModelReply, tool, tool_call, workflow
from towpath.models.prices import set_prices
from towpath.testing import VirtualPlatform, scripted
from towpath_schemas.journal import CallSettled
from towpath_schemas.usage import Usage

pytestmark = pytest.mark.usefixtures("no_prices")


@tool
def look() -> str:
    """Look."""
    return "seen"


def reply(text: str = "", *, calls: Any = (), tokens: int = 2) -> ModelReply:
    usage = Usage(input_tokens=tokens, output_tokens=1)
    return ModelReply(
        text=text, tool_calls=calls, usage=usage, stop_reason="tool_use" if calls else "end_turn"
    )


def looker(name: str | None = None, **said: Any) -> Agent:
    calls = (tool_call("look").model_copy(update={"id": "c"}),)
    return Agent(scripted(reply(calls=calls), reply("seen", tokens=5)), name=name, tools=[look], **said)


async def test_the_result_says_what_all_model_calls_cost() -> None:
    set_prices({"test/*": {"input": 1_000_000, "output": 10_000_000}})

    result = await looker().run("Look")

    assert result.usage == Usage(input_tokens=7, output_tokens=2, cost=27.0)


async def test_a_cost_that_nobody_knows_is_none_and_makes_the_whole_unknown() -> None:
    heir = Agent(scripted(reply("done")), name="heir")
    lead = Agent(scripted(reply(calls=(tool_call("transfer_to_heir"),))), name="lead", handoffs=[heir])

    unknown = await looker().run("Look")
    set_prices({"test/scripted": {"input": 0, "output": 0}})
    free = await looker().run("Look")
    heir.model = "test/echo"
    partly = await lead.run("Look")

    assert (unknown.usage.cost, free.usage.cost, partly.usage.cost) == (None, 0.0, None)


async def test_metrics_add_up_what_the_conversations_of_an_agent_cost() -> None:
    set_prices({"test/*": {"input": 1_000_000, "output": 0}})
    agent = Agent(scripted(reply("one"), reply("two", tokens=3)), callback_handler=None)

    await agent.invoke_async("Hi")
    result = await agent.invoke_async("Hi again")

    assert result.usage.cost == 3.0
    assert [invocation.cost for invocation in result.metrics.agent_invocations] == [2.0, 3.0]
    assert result.metrics.get_summary()["accumulated_cost"] == result.metrics.accumulated_cost == 5.0


async def test_a_model_call_without_an_agent_says_what_it_costs_too() -> None:
    set_prices({"test/*": {"input": 1_000_000, "output": 0}})

    async with VirtualPlatform() as platform:

        @workflow
        async def asks(ctx: Context) -> Any:
            return (await ctx.llm.generate("Hi", model=scripted(reply("hello")))).usage.cost

        assert await platform.run(asks) == 2.0


async def test_on_the_platform_a_call_costs_what_it_cost_when_it_was_made() -> None:
    set_prices({"test/*": {"input": 1_000_000, "output": 0}})
    agent = looker("thrifty")

    async with VirtualPlatform() as platform:
        run = await platform.start(agent, "Look")
        told = await run.result()
        calls = [one for one in run.journal if isinstance(one, CallSettled) and one.act == "model"]

    assert told["usage"] == {"input_tokens": 7, "output_tokens": 2, "cost": 7.0}
    assert [call.usage.cost for call in calls if call.usage is not None] == [2.0, 5.0]


async def test_a_replay_repeats_the_cost_whatever_the_prices_are_then() -> None:
    set_prices({"test/*": {"input": 1_000_000, "output": 0}})

    @workflow
    async def spends(ctx: Context) -> list[Any]:
        first = await looker().run("Look")
        await ctx.sleep(3_600)
        return [first.usage.cost, (await looker().run("Look")).usage.cost]

    async with VirtualPlatform() as platform:
        run = await platform.start(spends)
        await platform.advance(seconds=60)
        set_prices({"test/*": {"input": 2_000_000, "output": 0}})
        await platform.advance(seconds=3_600)

        assert await run.result() == [7.0, 14.0]
