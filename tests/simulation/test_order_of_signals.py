"""Signals to a run that continues as new again and again are received in the order in which they were sent.

The sender waits for the broker alone: each signal is sent once the broker has the one before. There are two routers, and two runners.
"""

import asyncio
from collections.abc import Generator
from dataclasses import replace

import pytest

from towpath import Context, workflow
from towpath_testkit.hosting import own_registry
from towpath_testkit.simulated_network import Delays
from towpath_testkit.simulation import CALM, STORMY
from towpath_testkit.simulation.asking import Request, Signal
from towpath_testkit.simulation.plan import Plan
from towpath_testkit.simulation.simulating import ROLES, simulate

SENT = 18
EACH_HEARS = 3
SEEDS = range(6)
SLOW = replace(CALM, delays=Delays(usual_s=(0.0001, 0.002), longest_s=0.05, rarely=50), asking_pause_s=0.01)
"""Nothing goes wrong, but some messages are under way for longer than others behind them."""
STORM = replace(STORMY, asking_pause_s=0.05)


@pytest.fixture
def listeners() -> Generator[None]:
    """Two ways to listen: until enough is heard, and until it is time, with a listener that is left behind."""
    with own_registry():

        @workflow
        async def hears_some(ctx: Context, heard: list[int]) -> list[int]:
            heard += [await ctx.signal("in") for _ in range(EACH_HEARS)]
            if len(heard) < SENT:
                ctx.continue_as_new({"heard": heard})
            return heard

        @workflow
        async def hears_for_a_while(ctx: Context, heard: list[int]) -> list[int]:
            async def listen() -> None:
                while True:
                    heard.append(await ctx.signal("in"))

            listening = asyncio.create_task(listen())
            await ctx.sleep(0.03)
            if len(heard) < SENT:
                ctx.continue_as_new({"heard": heard})
            listening.cancel()
            return heard

        yield


@pytest.mark.usefixtures("listeners")
@pytest.mark.parametrize("plan", [SLOW, STORM], ids=["slow", "storm"])
@pytest.mark.parametrize("component", ["hears_some", "hears_for_a_while"])
def test_signals_keep_their_order_from_run_to_run(component: str, plan: Plan) -> None:
    run = Request(component, {"heard": []}, "1")
    asked = [run, *(Signal("in", number, run, number) for number in range(SENT))]

    results = [
        [end.result for end in simulate(seed, plan, asked=asked, roles=("router", *ROLES)).ends.values()][-1]
        for seed in SEEDS
    ]

    assert results == [list(range(SENT))] * len(SEEDS)
