"""A run of thousands of records goes on from its snapshot with whoever takes it over, and leaves none behind."""

import asyncio

import pytest

from towpath import Context, workflow
from towpath_chassis.snapshots import SNAPSHOT_EVERY
from towpath_schemas import subjects
from towpath_schemas.requests import SignalRequested
from towpath_schemas.streams import SNAPSHOTS
from towpath_testkit.asking import ask
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import until

pytestmark = pytest.mark.live

PARTS, STEPS = 3, SNAPSHOT_EVERY + 50


async def test_a_long_run_is_taken_over_again_and_again_and_does_each_step_once(towpath: Platform) -> None:
    done: list[int] = []
    behind = [asyncio.Event() for _ in range(PARTS)]

    @workflow
    async def counts(ctx: Context) -> str:
        for part in range(PARTS):
            for number in range(STEPS):
                await ctx.step("count", done.append, part * STEPS + number)
            behind[part].set()
            await ctx.signal("go on")
        return "counted"

    async def snapshot() -> bool:
        return await towpath.js.last(SNAPSHOTS, subjects.snapshot(run_id)) is not None

    await towpath.router(lost_after_s=1.5)
    runner = await towpath.agent_runner()
    run_id = await towpath.start("counts")
    for part in range(PARTS):
        await behind[part].wait()
        assert await snapshot() == (part > 0)
        await runner.crash()
        await ask(towpath.js, "signal", run_id, SignalRequested(name="go on"))
        runner = await towpath.agent_runner()

    assert (await towpath.finished(run_id, deadline_s=60)).result == "counted"
    assert done == [*range(PARTS * STEPS)]
    await until(snapshot, lambda is_there: not is_there)
