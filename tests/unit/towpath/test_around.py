"""Code around other code shows of it what libraries look at."""

import asyncio
import inspect
from collections.abc import Generator
from typing import Any

import anyio
import pytest

from towpath import Context, function, workflow
from towpath.around import Around
from towpath.dropping import Droppable
from towpath.engine.containing import Branch
from towpath.testing import VirtualPlatform


async def waits(states: list[str], shown: list[Any]) -> str:
    states.append(inspect.getcoroutinestate(shown[0]))
    await asyncio.sleep(0)
    return "done"


def generated() -> Generator[None, Any, str]:
    yield
    return "done"


def layered(code: Any) -> Around[Any]:
    return Branch(Droppable(Around(code), lambda: False))


async def test_it_shows_the_state_of_the_code() -> None:
    states: list[str] = []
    shown: list[Any] = []
    code = layered(waits(states, shown))
    shown.append(code)
    states.append(inspect.getcoroutinestate(code))

    task = asyncio.create_task(code)
    await asyncio.sleep(0)
    states.append(inspect.getcoroutinestate(code))
    assert code.cr_await is not None
    assert code.cr_code is waits.__code__
    assert await task == "done"
    states.append(inspect.getcoroutinestate(code))

    assert states == [inspect.CORO_CREATED, inspect.CORO_RUNNING, inspect.CORO_SUSPENDED, inspect.CORO_CLOSED]


async def test_it_shows_the_state_of_a_generator() -> None:
    code = layered(generated())
    code.send(None)

    assert (code.cr_suspended, code.cr_running, code.cr_await) == (True, False, None)
    with pytest.raises(StopIteration, match="done"):
        code.send(None)
    assert code.cr_frame is None


def fail() -> None:
    raise LookupError("no such order")


async def begins_and_fails() -> str:
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.sleep, 3_600)
            fail()
    except ExceptionGroup as errors:
        return str(errors.exceptions[0])
    return "it did not fail"


async def test_groups_of_anyio_end_their_tasks_wherever_code_runs() -> None:
    called = function("called")(begins_and_fails)

    @workflow
    async def calls(ctx: Context) -> list[str]:
        return [
            await begins_and_fails(),
            await ctx.step("in a step", begins_and_fails),
            await ctx.task(called),
        ]

    async with VirtualPlatform() as platform:
        assert await platform.run(calls) == ["no such order"] * 3
