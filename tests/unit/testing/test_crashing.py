"""A run is killed at every moment, and whatever anybody could tell by is found."""

import asyncio
import random
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.errors import CrashNotSurvivedError, StuckError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere, virtual_time

Moments = set[str]


@pytest.fixture
def orders() -> list[str]:
    """What was ordered, in the world outside."""
    return []


def shop(orders: list[str]) -> Any:
    @function
    async def order(what: str) -> str:
        orders.append(what)
        return f"a {what}"

    @workflow
    async def shops(ctx: Context, what: str) -> Any:
        price = await ctx.step("price", lambda: 5)
        ordered = await ctx.task(order, input={"what": what})
        await ctx.sleep(86_400)
        return [ordered, price]

    return shops


async def test_a_run_is_killed_around_each_write_and_at_each_await(orders: list[str]) -> None:
    survived = await crash_everywhere(shop(orders), "kite", before_each=orders.clear)

    assert survived.finished.result == ["a kite", 5]
    moments = [crash.moment for crash in survived.crashes]
    writes = moments.count("before write")
    assert writes == moments.count("after write") >= 7
    assert moments.count("at await") >= 3
    shown = [str(crash) for crash in survived.crashes]
    assert "before write 1 (step.settled price#0)" in shown
    assert any(one.endswith("(run.finished)") for one in shown)


async def test_what_happened_outside_can_be_looked_at_after_each_crash(orders: list[str]) -> None:
    seen: list[int] = []

    def ordered_once(run: VirtualRun) -> None:
        seen.append(len(orders))
        assert orders == ["kite"]

    survived = await crash_everywhere(shop(orders), "kite", before_each=orders.clear, after_each=ordered_once)

    assert set(seen) == {1}
    assert len(seen) > len(survived.crashes)


async def test_an_effect_that_a_crash_repeats_is_found_and_the_moment_is_named(orders: list[str]) -> None:
    @workflow
    async def careless(ctx: Context) -> None:
        await ctx.step("look", lambda: 1)
        orders.append("kite")
        await ctx.step("look again", lambda: 1)

    def ordered_once(run: VirtualRun) -> None:
        assert orders == ["kite"]

    with pytest.raises(
        CrashNotSurvivedError, match=r"killed before write 2 \(step.settled look again#0\)"
    ) as caught:
        await crash_everywhere(careless, before_each=orders.clear, after_each=ordered_once)
    assert caught.value.crash == "before write 2 (step.settled look again#0)"


async def test_code_that_draws_lots_itself_is_found() -> None:
    drawn = iter(range(1_000))

    @workflow
    async def draws(ctx: Context) -> int:
        number = next(drawn)
        await ctx.step("work", lambda: 1)
        return number

    with pytest.raises(
        CrashNotSurvivedError, match=r"killed after its end: its journal is replayed to 1, not to 0"
    ):
        await crash_everywhere(draws)


async def test_code_that_takes_another_way_when_it_is_replayed_is_found() -> None:
    times: list[int] = []

    @workflow
    async def wanders(ctx: Context) -> None:
        times.append(1)
        await ctx.step("odd" if len(times) % 2 else "even", lambda: 1)
        await ctx.sleep(60)

    with pytest.raises(CrashNotSurvivedError, match=r"the journal has .*'(odd|even)#0'"):
        await crash_everywhere(wanders, before_each=times.clear)


async def test_a_step_that_is_killed_between_its_awaits_runs_again(orders: list[str]) -> None:
    async def works() -> int:
        orders.append("begun")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return 1

    @workflow
    async def steps(ctx: Context) -> int:
        return await ctx.step("work", works)

    begun: list[int] = []

    await crash_everywhere(steps, before_each=orders.clear, after_each=lambda _run: begun.append(len(orders)))

    assert begun.count(2) >= 3


async def test_tasks_that_the_code_has_started_are_killed_too() -> None:
    reached: Moments = set()

    @workflow
    async def branches(ctx: Context) -> list[int]:
        async def branch(number: int) -> int:
            reached.add(f"begun {number}")
            await asyncio.sleep(0)
            return await ctx.step("work", lambda: number)

        return [*await asyncio.gather(branch(1), branch(2))]

    missing: list[Moments] = []

    survived = await crash_everywhere(
        branches, before_each=reached.clear, after_each=lambda _run: missing.append({*reached})
    )

    assert survived.finished.result == [1, 2]
    assert sum(crash.moment == "at await" for crash in survived.crashes) > 8


async def test_a_run_that_needs_the_world_is_given_it_each_time() -> None:
    @workflow
    async def asks(ctx: Context) -> Any:
        approval = await ctx.human.approval("go", required_roles=["admin"])
        return [approval.approver, await ctx.signal("paid", timeout_ms=3_600_000, default=0)]

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.approve(run, by="ada", role="admin")
        await platform.advance(minutes=30)
        await run.signal("paid", 5)

    survived = await crash_everywhere(asks, script=script)

    assert survived.finished.result == ["ada", 5]


async def test_a_run_that_does_not_end_undisturbed_is_not_the_crashes_fault() -> None:
    @workflow
    async def waits(ctx: Context) -> None:
        await ctx.signal("never")

    with pytest.raises(StuckError):
        await crash_everywhere(waits)


async def test_results_that_differ_by_nature_are_compared_as_the_test_says() -> None:
    @workflow
    async def draws(ctx: Context) -> dict[str, float]:
        return {"drawn": await ctx.step("draw", random.random), "fixed": 1}

    def fixed_alike(one: Any, other: Any) -> bool:
        return one["fixed"] == other["fixed"]

    with pytest.raises(CrashNotSurvivedError):
        await crash_everywhere(draws)
    await crash_everywhere(draws, same=fixed_alike)


@virtual_time
async def test_a_failing_run_fails_the_same_way_wherever_it_dies() -> None:
    @function(retries=2)
    async def breaks() -> None:
        await asyncio.sleep(30)
        raise ValueError("out of paper")

    @workflow
    async def prints(ctx: Context) -> None:
        async with ctx.saga() as saga:
            saga.on_failure("clean up", lambda: "clean")
            await ctx.task(breaks)

    survived = await crash_everywhere(prints)

    assert survived.finished.failure is not None
    assert survived.finished.failure.message == "out of paper"


async def unfinished(ctx: Context) -> Any:
    left = asyncio.create_task(ctx.sleep(5))
    await ctx.gather(ctx.step("a", asyncio.sleep, 0), ctx.signal("never", timeout_ms=1_000, default=1))
    await left


async def test_killed_runs_leave_no_warnings() -> None:
    await crash_everywhere(workflow("unfinished")(unfinished))


@virtual_time
async def test_killed_runs_leave_no_warnings_in_virtual_time() -> None:
    await crash_everywhere(workflow("unfinished")(unfinished))
