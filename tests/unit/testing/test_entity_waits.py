"""Methods of entities that wait for each other: a circle is refused, and no wait is longer than a turn may be."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import pytest

from towpath import Context, entity, workflow
from towpath.errors import ComponentError
from towpath.local import LocalContext, run
from towpath.local.entity_store import EntityStore
from towpath.local.surroundings import Surroundings
from towpath.testing import VirtualPlatform, virtual_time
from towpath_testkit.crossing import CROSSED, offer_crossing


def crossing_workflow() -> Callable[..., Any]:
    """Have two methods, each of which holds its key, call the entity of the other."""
    offer_crossing()

    @workflow
    async def cross(ctx: Context) -> list[str]:
        going = (ctx.entity(name, "k").go() for name in CROSSED)
        return sorted(map(str, await asyncio.gather(*going, return_exceptions=True)))

    return cross


@pytest.mark.parametrize("place", ["platform", "script"])
async def test_calls_that_cross_are_refused_at_once_where_one_store_sees_both(place: str) -> None:
    cross = crossing_workflow()

    if place == "platform":
        async with VirtualPlatform() as platform:
            refused, taken = await platform.run(cross)
    else:
        context = LocalContext(surroundings=Surroundings(entities=EntityStore()))
        refused, taken = await run(cross, context=context)

    assert re.match(
        r"(Left|Right)/k and \w+/k would wait for each other for ever .*ctx\.transaction\(\)", refused
    )
    assert "(Right/k -> Left/k -> Right/k)" in refused or "(Left/k -> Right/k -> Left/k)" in refused
    assert taken.startswith("taken from")


async def test_a_circle_of_three_is_refused_and_the_others_go_on() -> None:
    three = asyncio.Barrier(3)
    ring = entity("Ring")

    @ring.write
    async def go(ctx: Context, to: str) -> str:
        await three.wait()
        return await ctx.entity("Ring", to).take()

    @ring.write
    async def take(ctx: Context) -> str | None:
        return ctx.object_id

    @workflow
    async def around(ctx: Context) -> list[str]:
        going = (ctx.entity("Ring", one).go(to) for one, to in ("ab", "bc", "ca"))
        return sorted(map(str, await asyncio.gather(*going, return_exceptions=True)))

    async with VirtualPlatform() as platform:
        said = await platform.run(around)

    assert [one for one in said if len(one) > 1] == [
        one for one in said if "would wait for each other" in one
    ]
    assert len([one for one in said if len(one) == 1]) == 2


@virtual_time
async def test_a_method_waits_for_another_entity_no_longer_than_its_turn_may_take() -> None:
    slow = entity("Slow")
    forty_seconds_later = asyncio.Event()

    @slow.write
    async def work(_ctx: Context) -> None:
        await asyncio.Event().wait()

    @slow.write
    async def hand_over(ctx: Context) -> None:
        ctx.set("begun", "yes")
        await forty_seconds_later.wait()
        await ctx.entity("Slow", "b").work()

    @workflow
    async def working(ctx: Context) -> None:
        await ctx.entity("Slow", "a").hand_over()

    async with VirtualPlatform() as platform:
        begun = platform.now
        started = await platform.start(working)
        await platform.advance(seconds=40)
        forty_seconds_later.set()
        with pytest.raises(
            ComponentError, match="Slow/a was held for 540 s by a method that still waits for Slow/b"
        ):
            await started.result()
        assert (platform.now - begun).total_seconds() == 540
        assert platform.entity_state("Slow", "a") == {}
