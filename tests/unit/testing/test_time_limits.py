"""The time limit of a function that runs on the platform: it holds also where the function only waits."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill


async def waits_for_a_signal(ctx: Context) -> None:
    await ctx.signal("never")


async def sleeps(ctx: Context) -> None:
    await ctx.sleep(100)


async def acts_and_sleeps(ctx: Context) -> None:
    await ctx.step("before", lambda: 1)
    await ctx.gather(ctx.sleep(3), ctx.sleep(100))


@pytest.mark.parametrize("body", [waits_for_a_signal, sleeps, acts_and_sleeps])
@virtual_time
async def test_a_function_that_waits_durably_is_stopped_at_its_limit(
    body: Callable[[Context], Awaitable[None]],
) -> None:
    limited = function(name="limited", timeout_ms=5_000, retries=1)(body)

    async with VirtualPlatform(suspend_after_s=1) as platform:
        began = platform.now
        finished = await (await platform.start(limited)).ended()
        took = platform.now - began
    survived = await crash_everywhere(limited)

    for one in (finished, survived.finished):
        assert one.failure is not None
        assert (one.failure.code, one.failure.message) == ("timeout", "limited did not end within 5 s")
    assert took.total_seconds() == pytest.approx(5, abs=0.1)


@virtual_time
async def test_its_time_goes_on_where_its_process_does_not() -> None:
    @function(timeout_ms=5_000, retries=1)
    async def limited(ctx: Context) -> str:
        await ctx.sleep(4)
        await ctx.step("between", lambda: 1)
        await ctx.sleep(4)
        return "too late"

    async with VirtualPlatform(disturbance=Kill("after write", 3)) as platform:
        began = platform.now
        finished = await (await platform.start(limited)).ended()
        took = platform.now - began

    assert finished.failure is not None
    assert finished.failure.code == "timeout"
    assert took.total_seconds() == pytest.approx(5, abs=0.1)


@virtual_time
async def test_a_function_that_ends_in_time_is_not_stopped() -> None:
    @function(timeout_ms=5_000)
    async def limited(ctx: Context) -> str:
        await ctx.sleep(4)
        return "in time"

    assert (await crash_everywhere(limited)).finished.result == "in time"


@virtual_time
async def test_code_in_a_context_manager_of_its_own_is_stopped_by_the_time_in_it() -> None:
    @asynccontextmanager
    async def at_most(seconds: float) -> AsyncGenerator[None]:
        async with asyncio.timeout(seconds):
            yield

    @workflow
    async def patient(ctx: Context) -> Any:
        try:
            async with at_most(30):
                return await ctx.signal("never")
        except TimeoutError:
            return "given up"

    assert (await crash_everywhere(patient)).finished.result == "given up"
