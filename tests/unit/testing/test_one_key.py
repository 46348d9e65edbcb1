"""Acts of one key: one at a time; what is known of it, all may be told."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from towpath import Context, function, local, workflow
from towpath.errors import ComponentError, DuplicateStepError
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time

done: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    done.clear()


async def slow(value: Any) -> Any:
    done.append(value)
    await asyncio.sleep(1)
    return value


async def steps(ctx: Context) -> Any:
    return await said(ctx, lambda value: ctx.step("pay", slow, value, key="k"))


async def said(ctx: Context, act: Callable[[int], Coroutine[Any, Any, Any]]) -> list[str]:
    ended = await asyncio.gather(act(1), act(2), return_exceptions=True)
    await ctx.sleep(100)
    return [f"{type(one).__name__} {one}" for one in ended]


REFUSED = f"DuplicateStepError {DuplicateStepError('pay')}"


@virtual_time
async def test_a_step_of_a_key_that_is_running_is_refused_wherever_it_runs() -> None:
    workflow(steps)

    async with VirtualPlatform() as platform:
        assert await platform.run(steps) == ["int 1", REFUSED]
    assert done == [1]
    done.clear()
    assert await local.run(steps) == ["int 1", REFUSED]
    assert done == [1]
    assert (await crash_everywhere(steps)).finished.result == ["int 1", REFUSED]


@virtual_time
async def test_a_call_of_a_key_that_is_running_is_refused() -> None:
    pay = function(name="pay")(slow)

    @workflow
    async def calls(ctx: Context) -> list[str]:
        return await said(ctx, lambda value: ctx.task(pay, input=value, key="k"))

    refused = REFUSED.replace("'pay'", "'task:pay'")
    assert (await crash_everywhere(calls)).finished.result == ["int 1", refused]


@virtual_time
async def test_a_key_that_is_used_for_another_call_is_named_with_the_remedy() -> None:
    pay = function(name="pay")(slow)

    @workflow
    async def calls(ctx: Context) -> list[int]:
        return [await ctx.task(pay, input=value, key="k") for value in (1, 2)]

    for always_replay in (False, True):
        async with VirtualPlatform(always_replay=always_replay) as platform:
            with pytest.raises(
                ComponentError,
                match=r"'task:pay#=k' called with 1, and now .* with 2; .* give each a key= of its own",
            ):
                await platform.run(calls)


@virtual_time
async def test_all_that_wait_for_one_child_are_told_its_result() -> None:
    child = function(name="child")(slow)

    @workflow
    async def parent(ctx: Context) -> Any:
        spawned = ctx.spawn(child, 5)

        async def given_up() -> str:
            try:
                await asyncio.wait_for(spawned.result(), 0.1)
            except TimeoutError:
                return "given up"
            return "told"

        return await asyncio.gather(spawned.result(), given_up(), spawned.result())

    async with VirtualPlatform() as platform:
        assert await platform.run(parent) == [5, "given up", 5]


@virtual_time
async def test_all_that_wait_for_one_child_are_told_its_result_in_every_replay() -> None:
    child = function(name="child")(slow)

    @workflow
    async def parent(ctx: Context) -> Any:
        spawned = ctx.spawn(child, 5)
        both = await asyncio.gather(spawned.result(), spawned.result())
        return [*both, await spawned.result()]

    assert (await crash_everywhere(parent)).finished.result == [5, 5, 5]
