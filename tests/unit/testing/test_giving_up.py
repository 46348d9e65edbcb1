"""Code that gives an act up, by a time limit of its own or for another that was first, does so in every replay."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Context, entity, function, workflow
from towpath.testing import VirtualPlatform, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill
from towpath_schemas.journal import ActGivenUp

Begin = Callable[[Context], Awaitable[Any]]
GiveUp = Callable[[Context, Begin], Awaitable[Any]]

PATIENCE_S = 5
GIVEN_UP = "given up"


async def late() -> str:
    await asyncio.sleep(30)
    return "late"


async def kept(value: Any) -> Any:
    return value


@pytest.fixture
def acts() -> dict[str, Begin]:
    """What code may begin and give up; all of it takes half a minute."""
    slow = function("slow_function")(late)
    slow_entity = entity("Slow")

    @workflow
    async def slow_child(ctx: Context) -> str:
        await ctx.sleep(30)
        return "late"

    @slow_entity.write
    async def write(_ctx: Context) -> str:
        return await late()

    @slow_entity.shared
    async def read(_ctx: Context) -> str:
        return await late()

    return {
        "step": lambda ctx: ctx.step("slow", late),
        "task": lambda ctx: ctx.task(slow),
        "write": lambda ctx: ctx.entity("Slow", "a").write(),
        "read": lambda ctx: ctx.entity("Slow", "a").read(),
        "child": lambda ctx: ctx.spawn(slow_child).result(),
        "signal": lambda ctx: ctx.signal("go"),
        "timer": lambda ctx: ctx.sleep(30),
    }


async def in_a_timeout(ctx: Context, begin: Begin) -> Any:
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await begin(ctx)
    except TimeoutError:
        return GIVEN_UP


async def waited_for(ctx: Context, begin: Begin) -> Any:
    try:
        return await asyncio.wait_for(begin(ctx), PATIENCE_S)
    except TimeoutError:
        return GIVEN_UP


async def lost_a_race(ctx: Context, begin: Begin) -> Any:
    racing = [asyncio.ensure_future(begin(ctx)), asyncio.ensure_future(ctx.sleep(PATIENCE_S))]
    (first,), losers = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
    for one in losers:
        one.cancel()
    return first.result() or GIVEN_UP


@pytest.mark.parametrize("give_up", [in_a_timeout, waited_for, lost_a_race])
@pytest.mark.parametrize("act", ["step", "task", "write", "read", "child", "signal", "timer"])
def test_what_the_code_gives_up_no_replay_tells_it(acts: dict[str, Begin], act: str, give_up: GiveUp) -> None:
    @workflow
    async def impatient(ctx: Context) -> Any:
        first = await give_up(ctx, acts[act])
        second = await ctx.step("second", kept, first)
        await ctx.sleep(100)  # the act ends meanwhile, and the run is dropped from memory
        return [first, second, await ctx.step("third", kept, 3)]

    async def undisturbed(*, always_replay: bool) -> Any:
        async with VirtualPlatform(always_replay=always_replay) as platform:
            run = await platform.start(impatient)
            result = await run.result()
            assert (
                run.journal[-1].at - run.journal[0].at == PATIENCE_S + 100
            )  # no replay is patient once more
            return result

    async def main() -> list[Any]:
        survived = await crash_everywhere(impatient)
        assert len(survived.crashes) > 5
        return [
            survived.finished.result,
            await undisturbed(always_replay=False),
            await undisturbed(always_replay=True),
        ]

    assert virtual_time(main)() == [[GIVEN_UP, GIVEN_UP, 3]] * 3


@virtual_time
async def test_an_answer_that_comes_while_the_code_does_without_it_is_recorded_and_not_told(
    acts: dict[str, Begin],
) -> None:
    @workflow
    async def falls_back(ctx: Context) -> Any:
        answer = await in_a_timeout(ctx, acts["task"])
        return [answer, await ctx.step("instead", late)]

    async with VirtualPlatform(disturbance=Kill("before write", 6)) as platform:
        run = await platform.start(falls_back)
        assert await run.result() == [GIVEN_UP, "late"]

    keys = [getattr(record, "key", None) for record in run.journal]
    given_up = next(record for record in run.journal if isinstance(record, ActGivenUp))
    assert (given_up.key, given_up.act, given_up.target) == ("task:slow_function#0", "task", "slow_function")
    assert [key for key in keys if key] == ["task:slow_function#0"] * 3 + ["instead#0"]


@virtual_time
async def test_a_child_that_was_not_waited_for_long_enough_may_be_waited_for_again(
    acts: dict[str, Begin],
) -> None:
    @workflow
    async def patient_in_the_end(ctx: Context) -> Any:
        child = ctx.spawn("slow_child")
        heard: list[Any] = []
        while (result := await in_a_timeout(ctx, lambda _ctx: child.result())) == GIVEN_UP:
            heard.append(await ctx.step("note", kept, result))
        return [*heard, result]

    def heard_in_the_end(result: list[str], undisturbed: list[str]) -> bool:
        return result[-1] == undisturbed[-1] == "late"  # how often it waited depends on what a crash takes

    survived = await crash_everywhere(patient_in_the_end, same=heard_in_the_end)

    assert len(survived.finished.result) > 5


@virtual_time
async def test_code_that_has_no_time_limit_any_more_has_diverged(acts: dict[str, Begin]) -> None:
    async def without_limit(ctx: Context, begin: Begin) -> Any:
        return await begin(ctx)

    versions: list[GiveUp] = [in_a_timeout, without_limit]

    @workflow
    async def changes(ctx: Context) -> Any:
        first = await versions.pop(0)(ctx, acts["step"])
        return await ctx.step("second", kept, first)

    async with VirtualPlatform(disturbance=Kill("after write", 1)) as platform:
        run = await platform.start(changes)
        finished = await run.ended()

    assert finished.failure is not None
    assert (finished.end, finished.failure.code) == ("failed", "non_determinism")
    assert "that the code gives up 'slow#0', the code asked for step 'slow#0'" in finished.failure.message


@virtual_time
async def test_what_a_cancelled_run_was_at_is_given_up() -> None:
    @workflow
    async def is_cancelled(ctx: Context) -> None:
        try:
            await ctx.step("slow", late)
        finally:
            await ctx.step("clean up", kept, 1)

    async with VirtualPlatform() as platform:
        run = await platform.start(is_cancelled)
        await run.cancel()
        assert (await run.ended()).end == "cancelled"

    given_up = [record for record in run.journal if isinstance(record, ActGivenUp)]
    assert [(one.key, one.act) for one in given_up] == [("slow#0", "step")]
