"""What an attempt of a function's run does is its own: its waits, its time, what it has left behind, what it says."""

import asyncio
from typing import Any

import pytest

from towpath import Context, RetryPolicy, function
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill
from towpath_testkit.outside import World

GROWING = RetryPolicy(max_attempts=3, initial_interval_s=2, jitter=0)
AT_ONCE = RetryPolicy(max_attempts=3, initial_interval_s=0)


async def test_a_wait_that_an_attempt_has_given_up_is_waited_for_anew() -> None:
    world = World(failures=1)

    @function(retries=AT_ONCE)
    async def waits(ctx: Context) -> Any:
        async def fails() -> None:
            world.try_(ctx)

        paid, _ = await ctx.gather(ctx.signal("paid"), fails())
        return paid

    async def pay(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(seconds=60)
        await run.signal("paid", 5)

    survived = await crash_everywhere(waits, script=pay, before_each=world.reset)

    assert survived.finished.result == 5


@virtual_time
async def test_a_step_of_a_further_attempt_may_give_up_waits_in_attempts_of_its_own() -> None:
    world = World(failures=1)

    @function(retries=GROWING)
    async def waits(ctx: Context) -> Any:
        async def fails_in_step() -> None:
            if world.do("try") and len(world.done) == 1:
                raise ConnectionError

        async def fails() -> None:
            world.try_(ctx)

        async def outer() -> Any:
            paid, _ = await ctx.gather(ctx.signal("paid"), fails_in_step())
            return paid

        if ctx.attempt == 1:
            await ctx.gather(ctx.signal("paid"), fails())
        return await ctx.step("outer", outer, retry=AT_ONCE)

    async def pay(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(seconds=60)
        await run.signal("paid", 5)

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await pay(platform, run)

        assert await run.result() == 5


@virtual_time
async def test_an_attempt_ends_what_the_one_before_has_left_behind() -> None:
    world = World(failures=1)

    async def slowly(what: str) -> str:
        await asyncio.sleep(5)
        return world.do(what)

    @function(retries=AT_ONCE)
    async def leaves(ctx: Context) -> Any:
        async def fails() -> None:
            await asyncio.sleep(1)
            world.try_(ctx)

        return (await asyncio.gather(ctx.step("slow", slowly, "kite"), fails()))[0]

    async with VirtualPlatform() as platform:
        assert await platform.run(leaves) == "kite"

    assert world.done == ["kite"]


@virtual_time
async def test_an_answer_to_an_attempt_that_has_failed_does_not_keep_the_next_from_being_replayed() -> None:
    world = World(failures=1)

    @function
    async def slow() -> str:
        await asyncio.sleep(1)
        return "late"

    @function(retries=GROWING)
    async def impatient(ctx: Context) -> str:
        if ctx.attempt == 1:
            asking = asyncio.ensure_future(ctx.task(slow))
            await asyncio.sleep(0.5)
            asking.cancel()
        world.try_(ctx)
        return await ctx.step("instead", world.do, "kite")

    survived = await crash_everywhere(impatient, before_each=world.reset)

    assert survived.finished.result == "kite"


@pytest.mark.parametrize("moment", [*range(1, 9)])
@virtual_time
async def test_a_crash_gives_a_further_attempt_no_more_time(moment: int) -> None:
    @function(retries=RetryPolicy(max_attempts=2, initial_interval_s=2, jitter=0), timeout_ms=5_000)
    async def limited(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise ConnectionError("gone")
        await ctx.sleep(4)
        await ctx.step("between", lambda: 1)
        await ctx.sleep(4)
        return "too late"

    async with VirtualPlatform(disturbance=Kill("after write", moment)) as platform:
        began = platform.now
        ended = await (await platform.start(limited)).ended()
        took = platform.now - began

    assert ended.failure is not None
    assert ended.failure.code == "timeout"
    assert took.total_seconds() == pytest.approx(2 + 5, abs=0.1)


# --- What is streamed ------------------------------------------------------------------------------------------


@virtual_time
async def test_what_is_streamed_after_a_crash_is_what_the_last_attempt_has_said() -> None:
    @function(retries=AT_ONCE)
    async def spells(ctx: Context) -> Any:
        for letter in "abc" if ctx.attempt == 1 else "aBc":
            yield await ctx.step("say", str, letter, key=f"{letter} in {ctx.attempt}")
        if ctx.attempt == 1:
            raise ConnectionError("gone")

    for moment in range(1, 10):
        async with VirtualPlatform(disturbance=Kill("after write", moment)) as platform:
            run = await platform.start(spells)
            await run.ended()

            assert run.chunks == [*"aBc"]
