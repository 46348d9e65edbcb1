"""Parallel steps that act inside of them come to their end, dropped and replayed after every record, or killed at any moment."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest

from towpath import Context, entity, function, workflow
from towpath.errors import ComponentError, StuckError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere, run_virtual
from towpath_schemas.journal import RunResumed

Act = Callable[[Context], Awaitable[Any]]
Branches = Callable[[Context], Awaitable[Any]]
Loop = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]


def run_ordinarily(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return asyncio.run(main())


in_each_loop = pytest.mark.parametrize("loop", [run_ordinarily, run_virtual])


async def replayed_always(branches: Branches) -> VirtualRun:
    """Run branches, dropped from memory after every record, to their end."""

    @workflow
    async def works(ctx: Context) -> Any:
        return await branches(ctx)

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(works)
        await run.ended()
        return run


def result(run: VirtualRun) -> Any:
    ended: Any = run.journal[-1]
    return ended.result


# --- Whatever they do inside --------------------------------------------------------------------------


async def waits(ctx: Context) -> str:
    await ctx.sleep(60)
    return "waited"


async def waits_for_a_signal(ctx: Context) -> Any:
    return await ctx.signal("never", timeout_ms=60_000, default="no signal")


async def calls(ctx: Context) -> Any:
    return await ctx.task(function(charge))


def charge() -> str:
    return "charged"


async def calls_an_entity(ctx: Context) -> Any:
    return await ctx.entity("Counter", "clicks").add()


async def has_a_child(ctx: Context) -> Any:
    return await ctx.spawn(workflow(child)).result()


async def child(ctx: Context) -> str:
    await ctx.sleep(60)
    return "grown up"


async def has_a_step(ctx: Context) -> Any:
    return await ctx.step("inner", lambda: "done")


async def draws_and_waits(ctx: Context) -> str:
    ctx.random()
    await ctx.sleep(60)
    return "drawn"


ACTS = [waits, waits_for_a_signal, calls, has_a_child, has_a_step, draws_and_waits]


def chains(act: Act, count: int, log: list[str] | None = None) -> Branches:
    """Make branches of two steps, one after the other, each of which does an act."""

    async def acts(ctx: Context, place: str) -> Any:
        done = await act(ctx)
        if log is not None:
            log.append(place)
        return done

    async def chain(ctx: Context, number: int) -> list[Any]:
        return [await ctx.step("act", acts, ctx, f"{number}.{place}") for place in range(2)]

    async def branches(ctx: Context) -> Any:
        return await asyncio.gather(*(chain(ctx, number) for number in range(count)))

    return branches


@in_each_loop
@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("act", ACTS)
def test_parallel_steps_that_act_come_to_their_end(loop: Loop, act: Act, count: int) -> None:
    log: list[str] = []

    run = loop(lambda: replayed_always(chains(act, count, log)))

    (one,) = {done for branch in result(run) for done in branch}
    assert result(run) == [[one, one]] * count
    assert set(Counter(log).values()) == {1}, "what comes after the act inside of a step happens once"


@in_each_loop
def test_parallel_steps_that_call_one_entity_come_to_their_end(loop: Loop) -> None:
    counter = entity("Counter")

    @counter.write
    async def add(ctx: Any) -> int:
        clicks = await ctx.get("clicks", 0) + 1
        await ctx.set("clicks", clicks)
        return clicks

    run = loop(lambda: replayed_always(chains(calls_an_entity, 3)))

    assert sorted(click for branch in result(run) for click in branch) == [1, 2, 3, 4, 5, 6]


def test_the_run_is_dropped_after_each_round_of_its_steps_all_the_same() -> None:
    run = run_virtual(lambda: replayed_always(chains(waits, 2)))

    # There are two rounds; in each the timers of both steps end together, and then the steps.
    assert sum(isinstance(record, RunResumed) for record in run.journal) >= 4


@pytest.mark.parametrize("act", [waits, calls])
def test_parallel_steps_that_act_survive_each_crash(act: Act) -> None:
    @workflow
    async def works(ctx: Context) -> Any:
        return await chains(act, 2)(ctx)

    survived = run_virtual(lambda: crash_everywhere(works))

    assert len(survived.crashes) > 20


# --- However they are started -------------------------------------------------------------------------


async def nested(ctx: Context) -> Any:
    async def pair() -> list[str]:
        first = await asyncio.gather(ctx.step("act", waits, ctx), ctx.step("act", waits, ctx))
        second = await asyncio.gather(ctx.step("act", waits, ctx), ctx.step("act", waits, ctx))
        return [*first, *second]

    return await asyncio.gather(pair(), pair())


async def in_a_group(ctx: Context) -> Any:
    async def pair() -> list[str]:
        return [await ctx.step("act", waits, ctx), await ctx.step("act", waits, ctx)]

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(pair()) for _ in range(2)]
    return [task.result() for task in tasks]


async def in_parallel(ctx: Context) -> Any:
    async def pair() -> list[str]:
        return [await ctx.step("act", waits, ctx), await ctx.step("act", waits, ctx)]

    return list(await ctx.parallel(pair(), pair()))


async def beside_plain_waits(ctx: Context) -> Any:
    async def plainly() -> list[str]:
        return [await waits(ctx), await ctx.step("plain", lambda: "plain"), await waits(ctx)]

    async def pair() -> list[str]:
        return [await ctx.step("act", waits, ctx), await ctx.step("act", waits, ctx)]

    return await asyncio.gather(plainly(), pair())


def refuse() -> None:
    raise ValueError("no money")


async def failing(ctx: Context) -> Any:
    async def fails() -> Any:
        return await ctx.task(function(retries=1)(refuse))

    async def pair() -> list[str]:
        try:
            await ctx.step("act", fails)
        except ComponentError as error:
            return [str(error), await ctx.step("act", waits, ctx)]
        raise AssertionError

    return await asyncio.gather(pair(), pair())


async def of_which_one_waits_for_code_beside_it(ctx: Context) -> Any:
    told = asyncio.Event()

    async def listens() -> str:
        await told.wait()
        return "heard"

    async def tells() -> str:
        await ctx.sleep(5)
        await ctx.step("plain", lambda: "plain")
        told.set()
        return "told"

    async def hears() -> Any:
        await ctx.sleep(5)
        return await ctx.step("listen", listens)

    return await asyncio.gather(tells(), hears())


W = "waited"
STARTED = [
    (nested, [[W] * 4, [W] * 4]),
    (in_a_group, [[W, W], [W, W]]),
    (in_parallel, [[W, W], [W, W]]),
    (beside_plain_waits, [[W, "plain", W], [W, W]]),
    (failing, [["no money", W], ["no money", W]]),
    (of_which_one_waits_for_code_beside_it, ["told", "heard"]),
]


@in_each_loop
@pytest.mark.parametrize(("branches", "expected"), STARTED)
def test_they_come_to_their_end_however_they_are_started(
    loop: Loop, branches: Branches, expected: Any
) -> None:
    assert result(loop(lambda: replayed_always(branches))) == expected


# --- And who is stuck, is told so ---------------------------------------------------------------------


async def hears_nothing(ctx: Context) -> Any:
    return await ctx.signal("never")


@in_each_loop
def test_steps_that_wait_for_what_never_comes_are_stuck(loop: Loop) -> None:
    async def branches(ctx: Context) -> Any:
        return await asyncio.gather(
            chains(waits, 2)(ctx), ctx.step("act", hears_nothing, ctx), ctx.step("act", hears_nothing, ctx)
        )

    with pytest.raises(StuckError, match="waits for signal 'never', signal 'never'"):
        loop(lambda: replayed_always(branches))
