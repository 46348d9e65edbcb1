"""Code in tasks of its own finds its acts again in replay, whatever it awaits before them."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from towpath import Context, function, workflow
from towpath.testing import VirtualPlatform, check_replay, virtual_time


async def idle() -> None:
    """Do nothing, in another process."""


async def tenfold(ctx: Context, number: int, delay_s: float) -> int:
    await asyncio.sleep(delay_s)  # a look-up in a cache, a lock, jitter
    return await ctx.step("tenfold", lambda: 10 * number)


@virtual_time
async def test_branches_that_come_to_act_in_another_order_are_told_what_they_did() -> None:
    delays = [0.02, 0.01]

    @workflow
    async def gathers(ctx: Context) -> list[Any]:
        gathered = await asyncio.gather(*(tenfold(ctx, number, delays[number]) for number in range(2)))
        delays.reverse()
        await ctx.sleep(1_000)
        return gathered

    async with VirtualPlatform() as platform:
        assert await platform.run(gathers) == [0, 10]


@virtual_time
async def test_a_branch_that_was_started_first_and_acts_last_keeps_its_name() -> None:
    delays = [0.5, 0.01]

    @workflow
    async def starts(ctx: Context) -> list[Any]:
        async with asyncio.TaskGroup() as group:
            tasks: list[asyncio.Task[int]] = []
            for number in range(2):
                tasks.append(group.create_task(tenfold(ctx, number, delays[number])))
                await ctx.step("between", lambda: None)
        delays.reverse()
        await ctx.sleep(1_000)
        return [task.result() for task in tasks]

    async with VirtualPlatform() as platform:
        assert await platform.run(starts) == [0, 10]


async def test_acts_and_children_in_tasks_take_no_name_of_a_branch() -> None:
    async def branch(ctx: Context) -> int:
        return await ctx.step("in branch", lambda: 1)

    async def together(*awaitables: Awaitable[Any]) -> list[Any]:
        return await asyncio.gather(*awaitables)

    @workflow
    async def mixes(ctx: Context) -> Any:
        await together(ctx.step("a", lambda: 1), ctx.sleep(1), ctx.spawn(idle).result())
        await ctx.parallel(ctx.step("b", lambda: 1), ctx.task(idle))
        return await together(branch(ctx))

    function(idle)
    async with VirtualPlatform() as platform:
        run = await platform.start(mixes)
        assert await run.result() == [1]

    assert "~0/in branch#0" in [getattr(record, "key", "") for record in run.journal]
    assert check_replay(mixes, run.export()).ended is not None
