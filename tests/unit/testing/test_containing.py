"""Errors that no `except Exception` hears of: they end the code that raised them, and nothing else."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Context, entity, function, local, workflow
from towpath.errors import ComponentError, ContinuedAsNewError
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time


class Panic(BaseException):
    """What native code makes of a panic."""


ERRORS = [Panic("index out of bounds"), SystemExit(3), KeyboardInterrupt(), GeneratorExit()]
of_each_error = pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)


def raising(error: BaseException) -> Callable[..., Awaitable[Any]]:
    async def fails(*_arguments: Any) -> None:
        raise error

    return fails


@of_each_error
@virtual_time
async def test_a_step_that_panics_fails_once_and_says_why(error: BaseException) -> None:
    @workflow
    async def panics(ctx: Context) -> str:
        try:
            return await ctx.step("native", raising(error))
        except ComponentError as failed:
            return str(failed)

    async with VirtualPlatform() as platform:
        run = await platform.start(panics)
        said = await run.result()

    assert said.startswith(f"the code raised {type(error).__name__}")
    assert str(error) in said
    assert [record.kind for record in run.journal].count("step.settled") == 1


@of_each_error
@virtual_time
async def test_a_branch_that_panics_fails_its_run_only(error: BaseException) -> None:
    @workflow
    async def panics(ctx: Context) -> None:
        async def branch() -> None:
            await ctx.step("before", lambda: 1)
            raise error

        async with asyncio.TaskGroup() as group:
            group.create_task(branch())
            group.create_task(ctx.sleep(1_000))

    async with VirtualPlatform() as platform:
        finished = await (await platform.start(panics)).ended()

    assert finished.failure is not None
    assert f"the code raised {type(error).__name__}" in finished.failure.message


@of_each_error
@virtual_time
async def test_a_function_a_branch_of_which_panics_answers_so(error: BaseException) -> None:
    @function(retries=1)
    async def native() -> None:
        await asyncio.gather(raising(error)())

    @workflow
    async def asks(ctx: Context) -> str:
        try:
            return await ctx.task(native)
        except ComponentError as failed:
            return str(failed)

    async with VirtualPlatform() as platform:
        assert f"the code raised {type(error).__name__}" in await platform.run(asks)


@virtual_time
async def test_a_method_a_branch_of_which_exits_answers_so() -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Context) -> None:
        async def branch() -> None:
            sys.exit(3)

        await asyncio.gather(branch())

    @workflow
    async def asks(ctx: Context) -> str:
        try:
            return await ctx.entity("Counter", "c").add()
        except ComponentError as failed:
            return str(failed)

    async with VirtualPlatform() as platform:
        assert "the code raised SystemExit (3)" in await platform.run(asks)


async def goes_on_in_a_group(ctx: Context, n: int = 0) -> int:
    async def branch() -> None:
        await ctx.step("before", lambda: n)
        ctx.continue_as_new(n + 1)

    async with ctx.saga() as saga:
        saga.on_failure("undo", undone.append, n)
        if n < 2:
            async with asyncio.TaskGroup() as group:
                group.create_task(branch())
                group.create_task(ctx.sleep(1_000))
    return n


undone: list[int] = []


@virtual_time
async def test_a_run_goes_on_as_a_new_one_from_a_group_of_tasks() -> None:
    undone.clear()
    workflow(goes_on_in_a_group)

    async with VirtualPlatform() as platform:
        assert await platform.run(goes_on_in_a_group) == 2
    assert await local.run(goes_on_in_a_group) == 2
    assert (await crash_everywhere(goes_on_in_a_group)).finished.result == 2

    assert undone == []


@virtual_time
async def test_a_group_that_failed_before_it_would_have_gone_on_has_failed() -> None:
    @workflow
    async def fails_first(ctx: Context) -> None:
        raise BaseExceptionGroup("both", [ValueError("card declined"), ContinuedAsNewError(1)])

    async with VirtualPlatform() as platform:
        finished = await (await platform.start(fails_first)).ended()

    assert (finished.end, finished.successor) == ("failed", None)
    assert finished.failure is not None
    assert "card declined" in finished.failure.message


@virtual_time
async def test_code_that_is_dropped_before_it_began_leaves_nothing_unawaited() -> None:
    @workflow
    async def forgets(ctx: Context) -> str:
        asyncio.create_task(ctx.sleep(1)).cancel()
        return "done"

    async with VirtualPlatform() as platform:
        assert await platform.run(forgets) == "done"
