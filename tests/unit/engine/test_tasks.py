"""Which tasks end with the run whose code started them, and which live on."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from towpath.components import Component, ComponentType, Registry
from towpath.context import Context
from towpath.engine.execution import execute
from towpath.engine.live_run import LiveRun
from towpath.retry import ONCE
from towpath_schemas.journal import RunFinished
from towpath_testkit.held import held
from towpath_testkit.journals import run_started
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]


class SharedClient:
    """A client that many runs use: it opens its connection, and the task that reads from it, at its first use."""

    def __init__(self) -> None:
        self.reading: asyncio.Task[None] | None = None
        self._asked: asyncio.Queue[asyncio.Future[str]] = asyncio.Queue()

    async def ask(self) -> str:
        if self.reading is None:
            self.reading = asyncio.create_task(self._read())
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        await self._asked.put(answer)
        return await asyncio.wait_for(answer, 1)

    async def _read(self) -> None:
        while True:
            (await self._asked.get()).set_result("pong")

    async def close(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
            await asyncio.gather(self.reading, return_exceptions=True)


@pytest.fixture
async def shared() -> AsyncIterator[SharedClient]:
    client = SharedClient()
    yield client
    await client.close()


async def test_a_shared_client_that_a_step_was_the_first_to_use_serves_the_next_run(
    started: Started, shared: SharedClient
) -> None:
    async def asks(ctx: Context) -> Any:
        return await ctx.step("ask", shared.ask)

    first = await asyncio.wait_for(started(held(), asks), 5)
    second = await asyncio.wait_for(started(held(), asks), 5)

    assert [first.result, second.result] == ["pong", "pong"]
    assert shared.reading is not None
    assert not shared.reading.done()


async def test_a_shared_client_outlives_a_run_that_is_dropped(started: Started, shared: SharedClient) -> None:
    async def waits(ctx: Context) -> Any:
        await ctx.step("ask", shared.ask)
        return await ctx.signal("never")

    run = held()
    code = started(run, waits)
    await until_so(lambda: bool(run.waiting_for))
    run.let_go.set()
    code.cancel()
    await asyncio.gather(code, return_exceptions=True)

    assert await shared.ask() == "pong"


async def test_a_shared_client_that_a_function_was_the_first_to_use_lives_on(shared: SharedClient) -> None:
    async def asks(context: Any, payload: Any) -> Any:
        return await shared.ask()

    registry = Registry()
    registry.add(Component(name="greet", kind=ComponentType.FUNCTION, execute=asks, retry=ONCE, source=asks))
    begun = run_started("greet", component_kind="function")

    finished = await asyncio.wait_for(execute(held(history=[(0, begun)]), registry), 5)

    assert finished.result == "pong"
    assert await shared.ask() == "pong"


async def test_a_task_of_the_code_itself_ends_with_the_run(started: Started) -> None:
    left: list[asyncio.Task[Any]] = []

    async def forgetful(ctx: Context) -> str:
        left.append(asyncio.create_task(asyncio.Event().wait()))
        await ctx.step("work", lambda: 1)
        return "done"

    assert (await asyncio.wait_for(started(held(), forgetful), 5)).result == "done"

    await asyncio.wait(left, timeout=5)
    assert left[0].cancelled()


async def test_a_task_of_a_step_that_acts_on_the_run_ends_with_it(started: Started) -> None:
    left: list[asyncio.Task[Any]] = []

    async def forgetful(ctx: Context) -> None:
        async def work() -> None:
            left.append(asyncio.create_task(ctx.signal("never")))
            await ctx.step("inner", lambda: 1)

        await ctx.step("outer", work)

    await asyncio.wait_for(started(held(), forgetful), 5)

    await asyncio.wait(left, timeout=5)
    assert left[0].cancelled()
