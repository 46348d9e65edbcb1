"""Code that does something of its own between its acts: it is not dropped meanwhile, and is given the time for it."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Context, workflow
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill

HOUR_MS = 3_600_000


async def kept(value: Any) -> Any:
    return value


async def sleeps() -> str:
    await asyncio.sleep(3)
    return "parsed"


async def computes() -> str:
    await asyncio.to_thread(threading.Event().wait, 0.01)
    return "parsed"


Doing = Callable[[], Awaitable[str]]


@pytest.mark.parametrize("doing", [sleeps, computes])
@virtual_time
async def test_a_branch_beside_a_wait_does_what_it_does_and_acts(doing: Doing) -> None:
    stored: list[str] = []

    @workflow
    async def beside(ctx: Context) -> Any:
        async def branch() -> Any:
            return await ctx.step("store", stored.append, await doing())

        return await asyncio.gather(branch(), ctx.signal("go", timeout_ms=HOUR_MS, default="none"))

    async with VirtualPlatform() as platform:
        run = await platform.start(beside)
        await platform.advance(minutes=5)
        assert stored == ["parsed"]
        assert (run.status, run.in_memory) == ("suspended", False)
        assert await run.result() == [None, "none"]

    assert stored == ["parsed"]


def test_in_an_ordinary_loop_it_takes_as_long_as_it_takes() -> None:
    @workflow
    async def beside(ctx: Context) -> Any:
        async def branch() -> Any:
            return await ctx.step("store", kept, await computes())

        return await asyncio.gather(branch(), ctx.signal("go", timeout_ms=HOUR_MS, default="none"))

    async def main() -> None:
        async with VirtualPlatform() as platform:
            run = await platform.start(beside)
            assert [record.kind for record in run.journal].count("step.settled") == 1
            assert await run.result() == ["parsed", "none"]

    asyncio.run(main())


@virtual_time
async def test_the_code_gives_up_a_wait_by_a_time_of_its_own() -> None:
    @workflow
    async def patient(ctx: Context) -> list[str]:
        given_up: list[str] = []
        waits = (lambda: ctx.signal("go"), lambda: ctx.sleep(HOUR_MS), lambda: ctx.human.approval("pay", {}))
        for wait in waits:
            try:
                await asyncio.wait_for(wait(), 30)
            except TimeoutError:
                given_up.append(await ctx.step("note", kept, "given up"))
        return given_up

    survived = await crash_everywhere(patient)

    assert survived.finished.result == ["given up"] * 3


@virtual_time
async def test_replay_gives_a_branch_the_time_for_what_it_does_between_its_acts() -> None:
    @workflow
    async def beside(ctx: Context) -> Any:
        async def slow() -> Any:
            await asyncio.sleep(2)
            return await ctx.step("slow", kept, "slow")

        async def quick() -> list[Any]:
            found: list[Any] = []
            for number in range(4):
                found.append(await ctx.step("quick", kept, number))
                await ctx.sleep(1)
            return found

        return await asyncio.gather(slow(), quick())

    survived = await crash_everywhere(beside)

    assert survived.finished.result == ["slow", [0, 1, 2, 3]]


@virtual_time
async def test_code_that_sleeps_between_its_acts_still_diverges_where_it_does() -> None:
    asked = ["before"]

    @workflow
    async def changes(ctx: Context) -> Any:
        async def sleepy() -> Any:
            await asyncio.sleep(5)
            return await ctx.step("sleepy", kept, 1)

        return await asyncio.gather(sleepy(), ctx.step(asked[0], kept, 2))

    async with VirtualPlatform(disturbance=Kill("before write", 2)) as platform:
        run = await platform.start(changes)
        asked[0] = "after"
        finished = await run.ended()

    assert finished.failure is not None
    assert "the journal has step 'before#0', the code asked for step 'after#0'" in finished.failure.message
