"""A platform in a test does not pass over what it cannot do, and refuses what the real one does."""

from typing import Any

import pytest

from towpath import Concurrency, Context, RateLimit, workflow
from towpath.errors import ComponentError, ConfigurationError, RequestRefusedError
from towpath.testing import VirtualPlatform, crash_everywhere


@pytest.fixture
def limited() -> Any:
    @workflow(limits=[Concurrency(1), RateLimit(1, per=60)])
    async def limited(ctx: Context) -> str:
        return await ctx.step("work", lambda: "done")

    return limited


@pytest.fixture
def parent(limited: Any) -> Any:
    @workflow
    async def parent(ctx: Context) -> Any:
        return await ctx.spawn(limited).result()

    return parent


async def test_a_run_with_limits_is_refused_with_what_to_do(limited: Any, parent: Any) -> None:
    async with VirtualPlatform() as platform:
        with pytest.raises(
            ConfigurationError, match=r"'limited' has limits \(.*\), which VirtualPlatform does not"
        ):
            await platform.start(limited)
        with pytest.raises(ComponentError, match="without_limits=True"):
            await platform.run(parent)


async def test_it_begins_at_once_where_the_test_says_so(limited: Any, parent: Any) -> None:
    async with VirtualPlatform(without_limits=True) as platform:
        assert await platform.run(limited) == "done"
        assert await platform.run(parent) == "done"


async def test_crashes_of_a_run_with_limits_can_be_tested(limited: Any) -> None:
    await crash_everywhere(limited)


async def test_a_signal_that_is_too_large_is_refused() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("go")

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)

        with pytest.raises(RequestRefusedError, match="the signal with its payload has 68,"):
            await run.signal("go", "x" * 68_000_000)
