"""Time stands still until the test lets it pass, and then takes none."""

import asyncio
import gc
import random
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Coroutine, Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from towpath import Context, entity, function, workflow
from towpath.engine.live_run import LiveRun
from towpath.errors import ComponentError, StuckError
from towpath.testing import VirtualPlatform, VirtualTimeLoop, run_virtual, virtual_time
from towpath.threads import yielded_in_thread
from towpath_schemas.journal import RunSuspended

MONTH = timedelta(days=30)


Test = Callable[[], Coroutine[Any, Any, None]]


def in_ordinary_time(main: Test) -> None:
    asyncio.run(main())


def in_both_loops(test: Test) -> Callable[[Callable[[Test], None]], None]:
    """Have a test run in an ordinary loop and in one of virtual time."""

    @pytest.mark.parametrize("run", [in_ordinary_time, run_virtual], ids=["ordinary", "virtual"])
    def runs(run: Callable[[Test], None]) -> None:
        run(test)

    return runs


@in_both_loops
async def test_a_sleep_of_a_month_takes_no_time_and_holds_nothing() -> None:
    held: list[weakref.ref[LiveRun]] = []

    @workflow
    async def sleeps(ctx: Context) -> str:
        held.append(weakref.ref(ctx._run))  # type: ignore[attr-defined]
        await ctx.sleep(MONTH)
        return ctx.now().isoformat()

    async with VirtualPlatform(now=datetime(2025, 1, 1, tzinfo=UTC)) as platform:
        began = time.perf_counter()
        run = await platform.start(sleeps)
        gc.collect()
        assert (run.status, run.in_memory) == ("suspended", False)
        assert [one() for one in held] == [None]

        await platform.advance(days=29)
        assert run.status == "suspended"
        await platform.advance(days=1)

        assert run.status == "completed"
        assert await run.result() == "2025-01-31T00:00:00+00:00"
        assert time.perf_counter() - began < 10
        assert sum(isinstance(record, RunSuspended) for record in run.journal) == 1


@in_both_loops
async def test_waiting_for_a_result_lets_time_pass() -> None:
    @workflow
    async def sleeps(ctx: Context) -> None:
        await ctx.sleep(MONTH)

    async with VirtualPlatform() as platform:
        begun = platform.now
        await platform.run(sleeps)
        assert platform.now - begun == MONTH


@in_both_loops
async def test_timers_fire_in_the_order_of_their_moments() -> None:
    fired: list[tuple[str, float]] = []

    @workflow
    async def wakes(ctx: Context, name: str, after: float) -> None:
        await ctx.sleep(after)
        fired.append((name, after))

    async with VirtualPlatform() as platform:
        for name, after in (("c", 30), ("a", 0.5), ("d", 86_400), ("b", 20)):
            await platform.start(wakes, {"name": name, "after": after})
        await platform.advance(seconds=25)
        assert fired == [("a", 0.5), ("b", 20)]
        await platform.advance(days=2)

        assert [name for name, _ in fired] == ["a", "b", "c", "d"]


@in_both_loops
async def test_a_cron_timer_waits_for_the_next_moment_of_its_expression() -> None:
    @workflow
    async def nightly(ctx: Context) -> str:
        await ctx.timer(cron="0 2 * * *", tz="Europe/Amsterdam")
        return ctx.now().isoformat()

    async with VirtualPlatform(now=datetime(2025, 7, 1, 12, tzinfo=UTC)) as platform:
        assert await platform.run(nightly) == "2025-07-02T00:00:00+00:00"


@in_both_loops
async def test_a_run_that_waits_for_a_child_for_long_is_not_kept_in_memory() -> None:
    @workflow
    async def child(ctx: Context) -> str:
        await ctx.sleep(MONTH)
        return "grown"

    @workflow
    async def parent(ctx: Context) -> str:
        return await ctx.spawn(child).result()

    async with VirtualPlatform() as platform:
        run = await platform.start(parent)
        assert run.in_memory
        await platform.advance(days=1)
        assert not run.in_memory

        assert await run.result() == "grown"


@in_both_loops
async def test_time_does_not_run_backwards() -> None:
    async with VirtualPlatform() as platform:
        await platform.advance_to(platform.now + timedelta(hours=1))
        with pytest.raises(ValueError, match="has passed"):
            await platform.advance_to(platform.now - timedelta(seconds=1))


@in_both_loops
async def test_what_a_run_calls_has_the_time_of_the_platform() -> None:
    @function
    async def slept(ctx: Context) -> list[datetime]:
        before = ctx.now()
        await ctx.sleep(0.01)
        return [before, ctx.now()]

    counter = entity("Counter")

    @counter.write
    async def count(ctx: Context) -> datetime:
        return ctx.now()

    @workflow
    async def calls(ctx: Context) -> list[str]:
        await ctx.sleep(3_600)
        return [*await ctx.task("test", "slept"), await ctx.entity("Counter", "a").count()]

    async with VirtualPlatform() as platform:
        due = platform.now + timedelta(hours=1)
        before, after, counted = map(datetime.fromisoformat, await platform.run(calls))
        assert (before, after, counted - due < timedelta(seconds=1)) == (
            due,
            due + timedelta(seconds=0.01),
            True,
        )


async def test_in_an_ordinary_loop_code_that_works_is_waited_for() -> None:
    @function
    async def works() -> str:
        await asyncio.sleep(0.01)
        return "worked"

    @workflow
    async def calls(ctx: Context) -> str:
        return await ctx.task(works)

    async with VirtualPlatform() as platform:
        run = await platform.start(calls)
        assert run.status == "completed"


# --- A loop of virtual time -----------------------------------------------------------------------------


@virtual_time
async def test_in_virtual_time_everything_that_waits_waits_for_the_same_time() -> None:
    @function
    async def slow(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "done"

    @workflow
    async def calls(ctx: Context, seconds: float) -> str:
        try:
            return await ctx.task(slow, input={"seconds": seconds}, timeout_ms=5_000)
        except ComponentError as error:
            return error.failure.code

    async with VirtualPlatform() as platform:
        assert await platform.run(calls, 4) == "done"
        assert await platform.run(calls, 6) == "timeout"


@virtual_time
async def test_in_virtual_time_a_function_that_takes_too_long_is_stopped_and_tried_again() -> None:
    attempts: list[int] = []

    @function(timeout_ms=60_000, retries=2)
    async def slow(ctx: Context) -> str:
        attempts.append(ctx.attempt)
        await asyncio.sleep(3600 if ctx.attempt == 1 else 1)
        return "done"

    @workflow
    async def calls(ctx: Context) -> str:
        return await ctx.task(slow)

    async with VirtualPlatform() as platform:
        assert await platform.run(calls) == "done"
        assert attempts == [1, 2]


@virtual_time
async def test_in_virtual_time_the_test_itself_may_sleep() -> None:
    @workflow
    async def wakes(ctx: Context) -> None:
        await ctx.sleep(60)

    async with VirtualPlatform() as platform:
        run = await platform.start(wakes)
        await asyncio.sleep(61)
        assert run.status == "completed"


@virtual_time
async def test_no_time_passes_while_a_thread_works() -> None:
    def works() -> str:
        time.sleep(0.02)  # noqa: TID251 - a thread may
        return "done"

    @workflow
    async def steps(ctx: Context) -> Any:
        moment = ctx.now()
        done = await ctx.step("work", works)
        return [done, await asyncio.to_thread(works), (ctx.now() - moment).total_seconds()]

    async with VirtualPlatform() as platform:
        async with asyncio.timeout(10):
            assert await platform.run(steps) == ["done", "done", 0]


@virtual_time
async def test_time_passes_while_a_thread_only_waits_to_be_asked_for_more() -> None:
    @function
    def counts() -> Any:
        yield from numbers()

    @function
    async def slowly() -> list[int]:
        seen: list[int] = []
        async for one in yielded_in_thread(numbers):
            await asyncio.sleep(60)
            seen.append(one)
        return seen

    async with VirtualPlatform() as platform:
        assert await platform.run(counts) == [0, 1, 2]
        assert await platform.run(slowly) == [0, 1, 2]


def numbers() -> Generator[int]:
    yield from range(3)


def test_a_test_needs_no_plugin_to_run_in_virtual_time() -> None:
    @workflow
    async def sleeps(ctx: Context) -> str:
        await ctx.sleep(MONTH)
        return "rested"

    async def scenario() -> str:
        async with VirtualPlatform() as platform:
            return await platform.run(sleeps)

    assert run_virtual(scenario) == "rested"


def test_years_pass_in_virtual_time_without_losing_a_second() -> None:
    async def years() -> float:
        loop = asyncio.get_running_loop()
        for _ in range(100):
            await asyncio.sleep(365 * 86_400)
        await asyncio.sleep(1)
        return loop.time()

    assert run_virtual(years) == pytest.approx(100 * 365 * 86_400 + 1)


def test_a_program_that_waits_for_nothing_is_stuck() -> None:
    async def waits() -> None:
        await asyncio.Event().wait()

    with pytest.raises(StuckError, match="nothing can happen any more"):
        run_virtual(waits)


def test_there_is_no_network_in_virtual_time() -> None:
    async def connects() -> None:
        await asyncio.open_connection("127.0.0.1", 9)

    with pytest.raises(ConnectionRefusedError, match="no network in virtual time"):
        run_virtual(connects)


def test_random_numbers_in_virtual_time_follow_from_the_seed_and_nobody_else_notices() -> None:
    async def draws() -> float:
        return random.random()  # noqa: S311 - repeatable, not secret

    random.seed(5)
    before = random.getstate()

    assert run_virtual(draws, seed=1) == run_virtual(draws, seed=1) != run_virtual(draws, seed=2)
    assert random.getstate() == before


def test_a_loop_of_virtual_time_is_a_loop_for_any_runner() -> None:
    async def sleeps() -> float:
        await asyncio.sleep(3600)
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(sleeps()) == 3600


def test_importing_it_loads_no_broker_and_no_provider() -> None:
    asked = "import towpath.testing, sys; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", asked], text=True).split())  # noqa: S603 - our own

    assert loaded.isdisjoint({"nats", "faststream", "openai", "httpx", "towpath_chassis", "towpath.runtime"})
