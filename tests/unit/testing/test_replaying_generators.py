"""Async generators of a run's own that are left early: what they do when they are closed is repeated too."""

from collections.abc import AsyncGenerator

from towpath import Context, workflow
from towpath.testing import VirtualPlatform, crash_everywhere


async def test_what_a_generator_does_when_it_is_left_early_is_repeated_wherever_the_run_is_killed() -> None:
    closed: list[str] = []

    @workflow
    async def reads(ctx: Context) -> int:
        async def pages() -> AsyncGenerator[int]:
            try:
                for number in range(5):
                    yield await ctx.step("page", abs, number)
            finally:
                await ctx.step("flush", closed.append, "flushed")
                await ctx.step("close", closed.append, "closed")

        async for page in pages():
            if page == 2:
                break
        await ctx.sleep(1_000)
        return 2

    async with VirtualPlatform() as platform:
        assert await platform.run(reads) == 2
        assert closed == ["flushed", "closed"]

    survived = await crash_everywhere(reads)

    assert survived.finished.result == 2
