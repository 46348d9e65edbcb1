"""What came for a run that continues as new, and was not heard, comes for the run that goes on from it."""

import asyncio
from typing import Any

import pytest

from towpath import Context, RequestRefusedError, workflow
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere

HOUR_S = 3_600


@pytest.fixture
def poll() -> Any:
    """Make a run that polls for ever, each time as a new run."""

    @workflow
    async def poll(ctx: Context, generation: int = 0) -> int:
        await ctx.step("poll", lambda: generation)
        await ctx.sleep(HOUR_S)
        ctx.continue_as_new(generation + 1)

    return poll


def statuses(platform: VirtualPlatform) -> list[str]:
    return [run.status for run in platform.runs]


async def test_a_signal_that_no_wait_got_is_kept_for_the_run_that_goes_on() -> None:
    @workflow
    async def takes_two(ctx: Context, generation: int = 0) -> Any:
        if generation == 0:
            first = await ctx.signal("paid")
            await ctx.sleep(HOUR_S)
            ctx.continue_as_new(first)
        return [
            generation,
            await ctx.signal("paid"),
            await ctx.signal("paid", timeout_ms=10_000, default="no more"),
        ]

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.signal("paid", 1, signal_id="one")
        await run.signal("paid", 2, signal_id="two")
        await run.signal("paid", 1, signal_id="one")
        await platform.advance(seconds=HOUR_S + 1)
        await run.signal("paid", 1, signal_id="one")

    survived = await crash_everywhere(takes_two, script=script)

    assert survived.finished.result == [1, 2, "no more"]


async def test_a_signal_to_the_first_run_reaches_the_one_that_goes_on(poll: Any) -> None:
    @workflow
    async def waits(ctx: Context, generation: int = 0) -> Any:
        if generation < 3:
            ctx.continue_as_new(generation + 1)
        return await ctx.signal("paid")

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await run.signal("paid", 7)

        assert await run.result() == 7
        with pytest.raises(RequestRefusedError, match="has ended"):
            await run.signal("paid", 8)


async def test_a_cancelled_line_of_runs_ends(poll: Any) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(poll)
        await platform.advance(seconds=2.5 * HOUR_S)

        await run.cancel("enough")

        assert statuses(platform) == ["continued", "continued", "cancelled"]


async def test_a_wish_to_end_that_came_too_late_for_the_code_is_heard_by_the_run_that_goes_on() -> None:
    cleaned: list[int] = []

    @workflow
    async def busy(ctx: Context, generation: int = 0) -> None:
        try:
            await ctx.step("work", asyncio.sleep, 5)
            if generation == 0:
                await asyncio.shield(asyncio.sleep(0))
        except asyncio.CancelledError:
            if generation:
                cleaned.append(generation)
                raise
        ctx.continue_as_new(generation + 1)

    async with VirtualPlatform() as platform:
        run = await platform.start(busy)
        await run.cancel("enough")
        await platform.rest()

        assert statuses(platform) == ["continued", "cancelled"]
        assert cleaned == [1]


async def test_a_terminated_line_of_runs_ends(poll: Any) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(poll)
        await platform.advance(seconds=1.5 * HOUR_S)

        await run.terminate()

        assert statuses(platform) == ["continued", "terminated"]


async def test_a_paused_run_that_continues_as_new_stands_still_until_it_is_to_go_on() -> None:
    polled: list[int] = []

    @workflow
    async def poll(ctx: Context, generation: int = 0) -> int:
        await ctx.step("poll", polled.append, generation)
        if generation < 2:
            await ctx.signal("next")
            ctx.continue_as_new(generation + 1)
        return generation

    async with VirtualPlatform() as platform:
        run = await platform.start(poll)
        await run.pause()
        await run.signal("next")
        await platform.advance(seconds=HOUR_S)

        assert polled == [0]
        assert statuses(platform) == ["continued", "paused"]
        await run.unpause()
        await run.signal("next")
        assert await run.result() == 2


@pytest.mark.parametrize("by", ["its parent's end", "its handle"])
async def test_a_child_that_has_continued_as_new_is_cancelled(poll: Any, by: str) -> None:
    @workflow
    async def parent(ctx: Context) -> str:
        child = ctx.spawn(poll, join="cancel")
        await ctx.sleep(1.5 * HOUR_S)
        if by == "its handle":
            await child.cancel()
            await asyncio.gather(child.result(), return_exceptions=True)
        return "done"

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)

        assert await run.result() == "done"
        await platform.rest()
        assert statuses(platform) == ["completed", "continued", "cancelled"]
