"""Budgets: hard limits on what agents spend, however many share them, wherever they die."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from towpath import Agent, Context, ModelReply, ModelRequest, Singleton, tool, tool_call, workflow
from towpath.agents.budgets import Budget
from towpath.agents.ledger import Amounts, Ledger, Limits
from towpath.agents.request_size import most_tokens
from towpath.errors import BudgetExhaustedError, ConfigurationError, ModelError
from towpath.models.port import Message
from towpath.models.prices import clear_prices, set_prices
from towpath.testing import FunctionModel, VirtualPlatform, crash_everywhere, fault, scripted
from towpath.tools.agent_tool import AgentTool
from towpath_schemas.usage import Usage


@pytest.fixture(autouse=True)
def prices() -> Iterator[None]:
    set_prices({"test/*": {"input": 1_000_000, "output": 1_000_000}})
    yield
    clear_prices()


@tool
def look(at: str = "it") -> str:
    """Look."""
    return f"seen {at}"


def spender(*, most: int = 50, wait: bool = True) -> FunctionModel:
    """A model that takes all it may: what the request says at the most, and up to `most` tokens of answer."""

    async def answer(request: ModelRequest) -> Any:
        if wait:
            await asyncio.sleep(0)
        written = min(most, request.max_tokens or most)
        usage = Usage(input_tokens=most_tokens(request), output_tokens=written)
        calls = (tool_call("look", at=str(len(request.messages))).model_copy(update={"id": "c"}),)
        return ModelReply(tool_calls=calls, usage=usage, stop_reason="tool_use")

    return FunctionModel(answer)


def agent(*limits: Any, name: str | None = None, model: Any = None, **said: Any) -> Agent:
    return Agent(
        model or spender(),
        name=name,
        tools=[look],
        limits=limits,
        max_iterations=said.pop("turns", 20),
        **said,
    )


# --- What is limited ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "spent"),
    [
        ({"tokens": 1_000}, "tokens"),
        ({"cost": 1_000.0}, "cost"),
        ({"model_calls": 3}, "model_calls"),
        ({"tool_calls": 2}, "tool_calls"),
    ],
)
async def test_a_run_ends_before_it_spends_more(limit: dict[str, Any], spent: str) -> None:
    budget = Budget(**limit)

    result = await agent(budget).run("Look around")

    assert (result.status, result.stop_reason) == ("budget", "budget")
    ledger = await budget.ledger()
    assert 0 < getattr(ledger.spent, spent) <= limit[spent]
    assert ledger.reserved == {}
    with pytest.raises(BudgetExhaustedError, match="what agent may spend is spent"):
        result.raise_for_stop()


async def test_a_conversation_whose_budget_is_spent_is_closed_validly() -> None:
    speaker = Agent(
        scripted([tool_call("look", at="a"), tool_call("look", at="b")], "done"),
        tools=[look],
        limits=[Budget(tool_calls=1)],
        callback_handler=None,
    )

    result = await speaker.invoke_async("Look")

    assert result.status == "budget"
    said = [block["toolResult"] for block in speaker.messages[-1]["content"]]
    assert [one["status"] for one in said] == ["success", "error"]
    assert "not enough is left of 1 tool_calls" in said[1]["content"][0]["text"]


async def test_an_answer_is_no_longer_than_what_is_left() -> None:
    model = scripted("short")
    budget = Budget(tokens=100)

    await Agent(model, limits=[budget]).run("Hi")

    (asked,) = model.requests
    assert asked.max_tokens == 100 - most_tokens(asked)


async def test_what_a_failed_call_had_reserved_is_given_back() -> None:
    budget = Budget(tokens=10_000)

    with pytest.raises(ModelError):
        await Agent(scripted(fault(retryable=False)), limits=[budget]).run("Hi")

    assert await budget.ledger() == Ledger(began=0.0)


async def test_no_call_begins_after_its_time() -> None:
    async with VirtualPlatform() as platform:

        @workflow
        async def slowly(ctx: Context) -> list[str]:
            budget = Budget(seconds=60)
            quick = Agent(scripted("done"), limits=[budget])
            said: list[str] = []
            for _ in range(3):
                said.append((await quick.run("Hi")).status)
                await ctx.sleep(40)
            return said

        assert await platform.run(slowly) == ["completed", "completed", "budget"]


async def test_a_budget_is_given_to_one_run_as_well() -> None:
    asked = Agent(spender(), tools=[look])

    assert (await asked.run("Look", limits=[Budget(model_calls=2)])).iterations == 2
    assert (await asked.run("Look", limits={"turns": 1})).status == "max_iterations"


async def test_agents_that_are_asked_or_handed_to_spend_the_callers_budget() -> None:
    budget = Budget(model_calls=3)
    helper = agent(name="helper", model=scripted(tool_call("look"), "seen"))
    heir = agent(name="heir", model=FunctionModel(lambda _request: tool_call("look")))
    lead = Agent(
        scripted(tool_call("helper", input="look"), tool_call("transfer_to_heir")),
        tools=[AgentTool(target_agent=helper)],
        handoffs=[heir],
        limits=[budget],
    )

    result = await lead.run("Look")

    assert (result.status, result.iterations) == ("budget", 1)
    assert (await budget.ledger()).spent.model_calls == 3


async def test_money_needs_a_price() -> None:
    clear_prices()

    with pytest.raises(ConfigurationError, match="nobody said what test/scripted costs"):
        await Agent(scripted("hello"), limits=[Budget(cost=1)]).run("Hi")


@pytest.mark.parametrize(("said", "wrong"), [({}, "limits nothing"), ({"tokens": -1}, "tokens")])
def test_what_is_no_budget_is_refused(said: dict[str, Any], wrong: str) -> None:
    with pytest.raises(ConfigurationError, match=wrong):
        Budget(**said)


def test_a_run_takes_no_limits_of_the_agent() -> None:
    with pytest.raises(ConfigurationError, match="the rest is for Agent"):
        Agent(scripted("x")).run("Hi", limits=[Singleton()])  # pyright: ignore[reportArgumentType]


# --- Who shares it --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "race"])
async def test_64_agents_that_race_for_one_budget_overspend_nothing(name: str | None) -> None:
    budget = Budget(tokens=5_000, cost=4_000.0, model_calls=100, name=name)
    await budget.reset()
    racers = [agent(budget) for _ in range(64)]

    results = await asyncio.gather(*[racer.run("Go") for racer in racers])

    spent = (await budget.ledger()).spent
    assert {result.status for result in results} <= {"budget", "max_iterations"}
    assert spent.tokens <= 5_000
    assert 3_000 < spent.cost <= 4_000
    assert spent.model_calls == sum(result.iterations for result in results) <= 100


async def test_runs_on_the_platform_share_a_named_budget_and_nothing_is_overspent() -> None:
    racer = agent(Budget(tokens=3_000, name="shared"), name="racer", model=spender(wait=False))

    async with VirtualPlatform() as platform:
        runs = [await platform.start(racer, "Go") for _ in range(8)]
        results = [await run.result() for run in runs]
        kept = Ledger.model_validate(platform.entity_state("towpath.Budget", "shared")["ledger"])

    assert {result["status"] for result in results} == {"budget"}
    used = sum(sum(result["usage"][kind] for kind in ("input_tokens", "output_tokens")) for result in results)
    assert 2_000 < kept.spent.tokens == used <= 3_000
    assert kept.reserved == {}


@pytest.mark.parametrize("name", [None, "durable"])
async def test_a_crash_reserves_and_settles_nothing_twice(name: str | None) -> None:
    thrifty = agent(Budget(tokens=600, tool_calls=5, name=name), name="thrifty", model=spender(wait=False))

    survived = await crash_everywhere(thrifty, "Go")

    assert survived.finished.result["status"] == "budget"
    assert survived.finished.result["iterations"] == 2


async def test_a_cancelled_run_gives_back_what_it_had_reserved() -> None:
    asked = asyncio.Event()

    async def thinks(_request: ModelRequest) -> str:
        asked.set()
        await asyncio.Event().wait()
        return "never"

    slow = Agent(FunctionModel(thinks), name="slow", limits=[Budget(tokens=9_000, name="kept")])

    async with VirtualPlatform(patience_s=0.05) as platform:
        run = await platform.start(slow, "Go")
        await asked.wait()
        before = Ledger.model_validate(platform.entity_state("towpath.Budget", "kept")["ledger"])
        await run.cancel()
        await run.ended()
        after = Ledger.model_validate(platform.entity_state("towpath.Budget", "kept")["ledger"])

    assert before.taken.tokens > 4_000
    assert after.reserved == {}
    assert 0 < after.spent.tokens < 100


# --- The ledger -----------------------------------------------------------------------------------------


@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.integers(1, 40), st.integers(0, 40), st.booleans()), max_size=40
    ),
    st.integers(0, 200),
)
def test_whatever_is_reserved_and_settled_no_more_than_the_limit_is_taken(
    acts: list[tuple[int, int, int, bool]], limit: int
) -> None:
    ledger, limits = Ledger(), Limits(tokens=limit)
    for call, least, more, settles in acts:
        if settles:
            took = min(least, ledger.reserved.get(str(call), Amounts()).tokens)
            ledger = ledger.settle(str(call), Amounts(tokens=took))
        else:
            before, most = ledger.reserved.get(str(call)), Amounts(tokens=least + more)
            ledger, reserved = ledger.reserve(limits, str(call), Amounts(tokens=least), most, 0.0)
            assert reserved.lacking or reserved.granted == before or reserved.granted.tokens >= least
        assert ledger.taken.tokens <= limit


def test_the_size_of_a_request_is_more_than_its_tokens() -> None:
    request = ModelRequest(messages=(Message(role="user", content="word " * 400),), system="Be brief.")

    assert 400 < most_tokens(request) < 1_200
