"""What a step sets in the run's state is a part of what it has done: on the platform, in replay and in a script."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Context, RetryPolicy, entity, function, local, workflow
from towpath.errors import ComponentError, NotSerialisableError
from towpath.testing import VirtualPlatform, crash_everywhere

AT_ONCE = RetryPolicy(max_attempts=3, initial_interval_s=0)
Runs = Callable[[Any], Awaitable[Any]]


async def replayed(component: Any) -> Any:
    async with VirtualPlatform(always_replay=True) as platform:
        return await platform.run(component)


EVERYWHERE = pytest.mark.parametrize("runs", [replayed, local.run], ids=["platform", "script"])


async def add(ctx: Context, by: int = 1) -> int:
    ctx.set("n", await ctx.get("n", 0) + by)
    return await ctx.get("n")


@EVERYWHERE
async def test_what_steps_set_is_there_after_them(runs: Runs) -> None:
    @workflow
    async def counts(ctx: Context) -> list[Any]:
        def forget() -> None:
            ctx.delete("old")

        ctx.set("old", 1)
        counted = [await ctx.step("add", add, ctx), await ctx.step("add", add, ctx, 5)]
        await ctx.step("forget", forget)
        return [*counted, await ctx.get("n"), await ctx.get("old", "gone")]

    assert await runs(counts) == [1, 6, 6, "gone"]


@EVERYWHERE
async def test_what_an_attempt_has_set_that_failed_is_forgotten(runs: Runs) -> None:
    tried: list[int] = []

    @workflow
    async def tries(ctx: Context) -> list[Any]:
        async def fails(often: int) -> int:
            n = await add(ctx)
            tried.append(n)
            if len(tried) < often:
                raise ConnectionError
            return n

        async def fails_for_good() -> None:
            ctx.set("n", 100)
            raise ValueError

        counted = await ctx.step("fails", fails, 3, retry=AT_ONCE)
        with pytest.raises(ComponentError):
            await ctx.step("for good", fails_for_good, retry=RetryPolicy(max_attempts=1))
        return [counted, await ctx.get("n")]

    assert await runs(tries) == [1, 1]
    assert tried == [1, 1, 1]


def nested(failures: list[int]) -> Any:
    @workflow
    async def nests(ctx: Context) -> list[Any]:
        async def outer() -> int:
            await ctx.step("inner", add, ctx, 10)
            if failures:
                failures.pop()
                raise ConnectionError
            return await add(ctx)

        return [await ctx.step("outer", outer, retry=AT_ONCE), await ctx.get("n")]

    return nests


@EVERYWHERE
async def test_a_step_takes_over_what_steps_inside_of_it_have_set(runs: Runs) -> None:
    assert await runs(nested([1])) == [11, 11]


async def test_state_survives_a_crash_at_any_moment() -> None:
    failures: list[int] = []

    survived = await crash_everywhere(nested(failures), before_each=lambda: failures.append(1))

    assert survived.finished.result == [11, 11]


@EVERYWHERE
async def test_a_step_that_is_asked_for_again_by_its_key_changes_nothing_again(runs: Runs) -> None:
    @workflow
    async def asks_again(ctx: Context) -> Any:
        await ctx.step("add", add, ctx, key="k")
        ctx.set("n", 7)
        await ctx.step("add", add, ctx, key="k")
        return await ctx.get("n")

    assert await runs(asks_again) == 7


@EVERYWHERE
async def test_the_next_attempt_of_a_function_finds_what_a_finished_step_has_set(runs: Runs) -> None:
    failures = [1]

    @function(retries=AT_ONCE)
    async def tries(ctx: Context) -> list[Any]:
        counted = await ctx.step("add", add, ctx)
        if failures:
            failures.pop()
            raise ConnectionError
        return [counted, await ctx.get("n")]

    @workflow
    async def calls(ctx: Context) -> Any:
        return await ctx.task(tries)

    assert await runs(calls) == [1, 1]


@EVERYWHERE
async def test_a_step_in_a_method_of_an_entity_sets_its_state(runs: Runs) -> None:
    counter = entity("CounterInSteps")

    @counter.write
    async def count(ctx: Context) -> int:
        return await ctx.step("add", add, ctx)

    @workflow
    async def calls(ctx: Context) -> list[int]:
        return [
            await ctx.entity("CounterInSteps", "a").count(),
            await ctx.entity("CounterInSteps", "a").count(),
        ]

    assert await runs(calls) == [1, 2]


@EVERYWHERE
async def test_changing_what_was_read_changes_no_state_and_names_are_text(runs: Runs) -> None:
    @workflow
    async def reads(ctx: Context) -> Any:
        ctx.set("list", [1])
        (await ctx.get("list")).append(2)
        with pytest.raises(NotSerialisableError):
            ctx.set(7, "seven")  # pyright: ignore[reportArgumentType]
        return await ctx.get("list")

    assert await runs(reads) == [1]


@EVERYWHERE
async def test_code_that_a_step_has_left_behind_is_told_that_nobody_keeps_what_it_sets(runs: Runs) -> None:
    @workflow
    async def leaves(ctx: Context) -> str:
        left: list[asyncio.Task[Any]] = []
        ended = asyncio.Event()

        async def late() -> None:
            await ended.wait()
            ctx.set("n", 1)

        async def outer() -> None:
            left.append(asyncio.create_task(late()))

        await ctx.step("outer", outer)
        ended.set()
        return str((await asyncio.gather(*left, return_exceptions=True))[0])

    async def once(component: Any) -> Any:
        async with VirtualPlatform() as platform:
            return await platform.run(component)

    said = await (local.run if runs is local.run else once)(leaves)
    assert "step 'outer#0' has ended" in said
