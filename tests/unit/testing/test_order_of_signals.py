"""A run that is taken up again hears of what waits for it before it hears of what comes meanwhile."""

import asyncio

from towpath import Context, workflow
from towpath.testing import VirtualPlatform, run_virtual
from towpath.testing.disturbance import Disturbance, Victim
from towpath_schemas.journal import JournalRecord, RunResumed


class SlowToResume(Disturbance):
    """Has a run take a moment until it goes on."""

    async def before_write(self, victim: Victim, record: JournalRecord) -> None:
        if isinstance(record, RunResumed):
            await asyncio.sleep(0.1)


def test_a_signal_that_comes_while_a_run_is_taken_up_again_does_not_overtake() -> None:
    @workflow
    async def two(ctx: Context) -> list[int]:
        return [await ctx.signal("in"), await ctx.signal("in")]

    async def main() -> None:
        async with VirtualPlatform(disturbance=SlowToResume()) as platform:
            run = await platform.start(two)
            await platform.advance(seconds=3_600)
            assert run.status == "suspended"
            await asyncio.gather(run.signal("in", 1), run.signal("in", 2))

            assert await run.result() == [1, 2]

    run_virtual(main)
