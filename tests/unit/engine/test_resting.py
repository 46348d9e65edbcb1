"""Whether a run only waits: for its acts, and for other code of its own, which waits for acts in the end."""

import asyncio
import socket
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from towpath.context import Context
from towpath.engine.live_run import LiveRun
from towpath_schemas.journal import RunFinished
from towpath_testkit.held import held
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]
Branch = Callable[[Context], Coroutine[Any, Any, Any]]
LONG_S = 1_000


def beside_a_signal(branch: Branch) -> Branch:
    async def code(ctx: Context) -> None:
        await asyncio.gather(branch(ctx), ctx.signal("never"))

    return code


async def all_wait(run: LiveRun) -> None:
    await until_so(lambda: bool(run.waiting_for))
    for _ in range(20):
        await asyncio.sleep(0)


async def waits_in_a_lock(ctx: Context) -> None:
    lock = asyncio.Lock()

    async def alone() -> None:
        async with lock:
            await ctx.signal("never")

    await asyncio.gather(alone(), alone())


async def waits_for_a_place(ctx: Context) -> None:
    places = asyncio.Semaphore(1)

    async def placed() -> None:
        async with places:
            await ctx.signal("never")

    async with asyncio.TaskGroup() as group:
        for _ in range(3):
            group.create_task(placed())


async def waits_for_an_item(ctx: Context) -> None:
    items: asyncio.Queue[Any] = asyncio.Queue()

    async def produce() -> None:
        await items.put(await ctx.signal("never"))

    async def consume() -> AsyncGenerator[Any]:
        while True:
            yield await items.get()

    producing = asyncio.create_task(produce())
    async for _ in consume():
        pass
    await producing


async def waits_for_an_event(ctx: Context) -> None:
    ready = asyncio.Event()

    async def prepare() -> None:
        await ctx.signal("never")
        ready.set()

    await ctx.gather(prepare(), ready.wait())


async def waits_for_the_first(ctx: Context) -> None:
    acts = [asyncio.create_task(ctx.signal("never")), asyncio.create_task(ctx.sleep(LONG_S))]
    await asyncio.wait(acts, return_when=asyncio.FIRST_COMPLETED)


async def waits_for_a_task_of_its_own(ctx: Context) -> None:
    await asyncio.create_task(ctx.signal("never"))


async def waits_in_an_act_with_time_that_does_not_tick(ctx: Context) -> None:
    async with asyncio.timeout(None):
        await ctx.signal("never")


@pytest.mark.parametrize(
    "branch",
    [
        waits_in_a_lock,
        waits_for_a_place,
        waits_for_an_item,
        waits_for_an_event,
        waits_for_the_first,
        waits_for_a_task_of_its_own,
        waits_in_an_act_with_time_that_does_not_tick,
    ],
)
async def test_code_that_waits_for_acts_through_other_code_only_waits(
    started: Started, branch: Branch
) -> None:
    run = held()
    ending = started(run, beside_a_signal(branch))

    await until_so(lambda: run.idling.only_waits)

    ending.cancel()


async def sleeps(ctx: Context) -> None:
    await asyncio.sleep(LONG_S)


async def reads(ctx: Context) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await reader.read()
        finally:
            writer.close()


async def waits_for_a_thread(ctx: Context) -> None:
    over = threading.Event()
    try:
        await asyncio.to_thread(over.wait)
    finally:
        over.set()


async def waits_until_a_time(ctx: Context) -> None:
    async with asyncio.timeout(LONG_S):
        await ctx.signal("never")


async def waits_for_a_time(ctx: Context) -> None:
    await asyncio.wait_for(ctx.signal("never"), LONG_S)


async def waits_for_the_first_in_time(ctx: Context) -> None:
    await asyncio.wait([asyncio.create_task(ctx.signal("never"))], timeout=LONG_S)


async def waits_for_what_it_cannot_know(ctx: Context) -> None:
    await asyncio.get_running_loop().create_future()


async def streams(ctx: Context) -> None:
    async def pages() -> AsyncGenerator[int]:
        await asyncio.sleep(LONG_S)
        yield 1

    async for _ in pages():
        pass


async def has_a_branch_that_sleeps(ctx: Context) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(sleeps(ctx))
        group.create_task(ctx.signal("never"))


OWN = [
    sleeps,
    reads,
    waits_for_a_thread,
    waits_until_a_time,
    waits_for_a_time,
    waits_for_the_first_in_time,
    waits_for_what_it_cannot_know,
    streams,
    has_a_branch_that_sleeps,
]


@pytest.mark.parametrize("branch", OWN)
async def test_code_with_a_branch_that_does_something_of_its_own_does_not_only_wait(
    started: Started, branch: Branch
) -> None:
    run = held()
    ending = started(run, beside_a_signal(branch))

    await all_wait(run)

    assert not run.idling.only_waits
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)


async def test_a_library_that_waits_for_an_event_may_wait_for_a_socket(started: Started) -> None:
    source = "async def read(arrived):\n    await arrived.wait()\n"
    library: dict[str, Any] = {"__name__": "client.io"}
    exec(compile(source, "/opt/site-packages/client/io.py", "exec"), library)  # noqa: S102 - an installed package
    run = held()

    async def asks(ctx: Context) -> None:
        await asyncio.gather(library["read"](asyncio.Event()), ctx.signal("never"))

    ending = started(run, asks)
    await all_wait(run)

    assert not run.idling.only_waits
    ending.cancel()


async def test_what_a_step_has_left_behind_is_nothing_that_the_run_does(started: Started) -> None:
    left: list[asyncio.Task[None]] = []
    run = held()

    async def opens(ctx: Context) -> None:
        async def connect() -> None:
            left.append(asyncio.create_task(asyncio.sleep(LONG_S)))

        await ctx.step("connect", connect)
        await ctx.signal("never")

    ending = started(run, opens)
    await until_so(lambda: run.idling.only_waits)

    assert not left[0].done()
    left[0].cancel()
    ending.cancel()
