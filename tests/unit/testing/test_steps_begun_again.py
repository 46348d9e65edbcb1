"""Steps that begin again after a crash: their work need not go the way that it went before."""

import asyncio
from typing import Any

from towpath import Context, function, workflow
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill

RETRIED = {"max_attempts": 3, "initial_interval_ms": 1}


@virtual_time
async def test_what_a_lost_attempt_has_given_up_does_not_hold_up_one_that_does_not() -> None:
    tries: list[int] = []

    async def fails_at_first() -> str:
        tries.append(1)
        if len(tries) == 1:
            raise ConnectionError("gone")
        return "ok"

    @workflow
    async def together(ctx: Context) -> str:
        async def both() -> str:
            async with asyncio.TaskGroup() as group:
                done = group.create_task(fails_at_first())
                group.create_task(ctx.sleep(2))
            return done.result()

        return await ctx.step("both", both, retry=RETRIED)

    survived = await crash_everywhere(together, before_each=tries.clear)

    assert survived.finished.result == "ok"


@virtual_time
async def test_what_a_function_had_given_up_before_a_crash_it_may_wait_for_again() -> None:
    tries: list[int] = []

    @function(retries=RETRIED)
    async def together(ctx: Context) -> Any:
        waiting = asyncio.ensure_future(ctx.signal("paid"))
        await asyncio.sleep(1)
        tries.append(1)
        if len(tries) == 1:
            waiting.cancel()
            await asyncio.sleep(1)
        return await waiting

    async with VirtualPlatform(disturbance=Kill("after write", 2)) as platform:
        run = await platform.start(together)
        await platform.advance(seconds=60)
        await run.signal("paid", 5)
        assert await run.result() == 5


@virtual_time
async def test_the_work_of_a_step_may_go_another_way_after_a_crash() -> None:
    ways: list[str] = []

    @workflow
    async def undecided(ctx: Context) -> list[str]:
        async def go() -> str:
            way = ["left", "right"][len(ways) % 2]
            ways.append(way)
            await ctx.step(way, lambda: None)
            await ctx.sleep(20)
            return way

        return [await ctx.step("go", go), await ctx.step("after", lambda: "there")]

    async with VirtualPlatform(disturbance=Kill("after write", 2)) as platform:
        assert await platform.run(undecided) == ["right", "there"]

    assert ways == ["left", "right"]
