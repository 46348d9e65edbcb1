"""What a step is given to await is part of the step, whatever it is: replay neither runs it again nor misses it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

import pytest

from towpath import Context, RetryPolicy, entity, function, local, script, workflow
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time
from towpath_schemas.journal import StepSettled

colour: ContextVar[str] = ContextVar("colour", default="unset")


class World:
    """What is done outside of the run, and in which order."""

    def __init__(self) -> None:
        self.done: list[int] = []

    async def do(self, number: int) -> int:
        self.done.append(number)
        await asyncio.sleep(0)
        return number


@pytest.fixture
def world() -> World:
    return World()


def given(make: Callable[[Context], Any]) -> Any:
    """Make a workflow that gives a step what is made, and is dropped from memory behind it."""
    counter = entity("Counter")

    @counter.write
    async def count(ctx: Context) -> int:
        return 3

    @workflow
    async def gives(ctx: Context) -> list[Any]:
        return [await ctx.step("given", make(ctx)), await ctx.sleep(1_000), await ctx.step("last", lambda: 9)]

    return gives


async def doubled(x: int) -> int:
    return 2 * x


async def text_of(answer: Awaitable[Any]) -> str:
    return (await answer).text


ACTS: dict[str, tuple[Callable[[Context], Any], Any]] = {
    "a step": (lambda ctx: ctx.step("inner", lambda: 2), 2),
    "a call": (lambda ctx: ctx.task("test", "doubled", 1), 2),
    "a wait": (lambda ctx: ctx.sleep(20), None),
    "a signal": (lambda ctx: ctx.signal("paid", timeout_ms=100, default=5), 5),
    "an entity's method": (lambda ctx: ctx.entity("Counter", "a").count(), 3),
    "a child's result": (lambda ctx: ctx.spawn("doubled", 4).result(), 8),
    "acts by name": (lambda ctx: ctx.gather(a=ctx.step("a", lambda: 1), b=ctx.sleep(1)), {"a": 1, "b": None}),
    "acts in tasks": (lambda ctx: asyncio.gather(ctx.step("a", lambda: 1), ctx.sleep(1)), [1, None]),
    "an act with a limit": (lambda ctx: asyncio.wait_for(ctx.step("a", lambda: 1), 60), 1),
    "a model": (lambda ctx: text_of(ctx.llm.generate("hello", model="test/given")), "echo"),
}


@pytest.mark.parametrize("always_replay", [False, True])
@pytest.mark.parametrize("name", ACTS)
async def test_an_act_that_a_step_is_given_is_done_once_and_replayed_with_it(
    name: str,
    *,
    always_replay: bool,
) -> None:
    make, result = ACTS[name]
    function(doubled)
    script("given", ["echo"])

    async with VirtualPlatform(always_replay=always_replay) as platform:
        assert await platform.run(given(make)) == [result, None, 9]


async def test_acts_that_a_step_is_given_survive_a_crash_at_any_moment() -> None:
    async def branch(ctx: Context, number: int) -> int:
        return await ctx.step("work", lambda: number) + await ctx.step("more", lambda: number)

    def make(ctx: Context) -> Awaitable[Any]:
        return asyncio.gather(branch(ctx, 1), ctx.sleep(5), branch(ctx, 2))

    survived = await crash_everywhere(given(make))

    assert survived.finished.result == [[2, None, 4], None, 9]


async def test_acts_that_a_step_is_given_are_inside_of_it(world: World) -> None:
    async def branch(ctx: Context) -> int:
        return await ctx.step("b", world.do, 2)

    async with VirtualPlatform() as platform:
        run = await platform.start(given(lambda ctx: asyncio.gather(ctx.step("a", world.do, 1), branch(ctx))))
        await run.result()

    keys = {record.key for record in run.journal if isinstance(record, StepSettled)}
    assert {"given#0", "given#0/^a#0", "last#0"} < keys
    assert all(key.startswith("given#0/^") for key in keys - {"given#0", "last#0"})


# --- What has been made to run, and what runs still -----------------------------------------------------------


def together(*awaitables: Awaitable[Any]) -> Awaitable[list[Any]]:
    return asyncio.gather(*awaitables)


MADE: dict[str, Callable[[World], Any]] = {
    "a coroutine": lambda world: world.do(1),
    "a task": lambda world: asyncio.create_task(world.do(1)),
    "tasks": lambda world: asyncio.gather(world.do(1)),
    "a coroutine that is given one": lambda world: asyncio.wait_for(world.do(1), 60),
}


@pytest.mark.parametrize("name", MADE)
async def test_what_was_made_for_a_step_is_run_once_however_often_the_run_is_replayed(
    name: str, world: World
) -> None:
    async with VirtualPlatform(always_replay=True) as platform:
        await platform.run(given(lambda _ctx: MADE[name](world)))

    assert world.done == [1]


async def test_nothing_is_awaited_by_a_step_that_is_given_no_tasks() -> None:
    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(given(lambda _ctx: together())) == [[], None, 9]


def with_begun_task(wrap: Callable[[Any], Any]) -> Any:
    @workflow
    async def too_late(ctx: Context) -> Any:
        task = asyncio.create_task(asyncio.sleep(0.01))
        await ctx.step("before", lambda: 0)
        return await ctx.step("given", wrap(task))

    return too_late


@pytest.mark.parametrize("wrap", [asyncio.ensure_future, together], ids=["itself", "gathered"])
async def test_a_task_that_has_begun_is_refused_everywhere(wrap: Callable[[Any], Any]) -> None:
    too_late = with_begun_task(wrap)

    async with VirtualPlatform() as platform:
        with pytest.raises(ComponentError, match="'given' was given a task that has begun"):
            await platform.run(too_late)
    with pytest.raises(ComponentError, match="'given' was given a task that has begun"):
        await local.run(too_late)


# --- What lies inside of a step that is over --------------------------------------------------------------------


@virtual_time
async def test_an_answer_that_comes_behind_the_end_of_the_step_that_asked_changes_nothing() -> None:
    @function
    async def slow() -> int:
        await asyncio.sleep(3)
        return 1

    @workflow
    async def gives_up(ctx: Context) -> list[Any]:
        async def fails() -> None:
            raise ValueError

        async def outer() -> str:
            try:
                await ctx.gather(ctx.task(slow), ctx.step("bad", fails, retry=RetryPolicy(max_attempts=1)))
            except ComponentError:
                return "given up"
            return "done"

        return [await ctx.step("outer", outer), await ctx.sleep(1_000), await ctx.step("after", lambda: 1)]

    survived = await crash_everywhere(gives_up)

    assert survived.finished.result == ["given up", None, 1]


@virtual_time
async def test_an_act_that_a_step_has_left_behind_is_not_missed_in_replay() -> None:
    left: list[asyncio.Task[Any]] = []

    @workflow
    async def leaves(ctx: Context) -> Any:
        async def outer() -> None:
            left.append(asyncio.create_task(ctx.step("left", asyncio.sleep, 0.1)))

        await ctx.step("outer", outer)
        await asyncio.sleep(0.5)
        return await ctx.sleep(1_000)

    async with VirtualPlatform() as platform:
        run = await platform.start(leaves)
        await run.result()

    settled = [record for record in run.journal if isinstance(record, StepSettled)]
    assert [(one.key, one.failure) for one in settled] == [("outer#0", None), ("outer#0/left#0", None)]


# --- Context variables --------------------------------------------------------------------------------------------


async def colours(ctx: Context) -> list[str]:
    async def paint() -> str:
        colour.set("red")
        await asyncio.sleep(0)
        return colour.get()

    painted = await ctx.step("paint", paint)
    seen = colour.get()
    await ctx.sleep(0.01)
    return [painted, seen, await ctx.step("look", colour.get), await ctx.step("paint", paint())]


async def test_what_a_step_sets_in_context_variables_is_its_own_everywhere() -> None:
    expected = ["red", "unset", "unset", "red"]

    assert await local.run(workflow(colours)) == expected
    assert (await crash_everywhere(workflow(colours))).finished.result == expected
