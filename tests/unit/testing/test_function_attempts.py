"""The attempts of a function that is a run of its own: counted over crashes, with durable waits, visible in the journal."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from towpath import Context, NonRetryableError, RetryPolicy, function, local, workflow
from towpath.testing import VirtualPlatform, VirtualRun, check_replay, crash_everywhere, virtual_time
from towpath.testing.crashing import Kill
from towpath_schemas.journal import (
    AttemptFailed,
    CallIntended,
    JournalRecord,
    RunFinished,
    RunSuspended,
    StepSettled,
)
from towpath_testkit.outside import World

GROWING = RetryPolicy(max_attempts=3, initial_interval_s=2, jitter=0)
AT_ONCE = RetryPolicy(max_attempts=3, initial_interval_s=0)


@pytest.fixture
def world() -> World:
    return World()


def failed_attempts(run: VirtualRun) -> list[AttemptFailed]:
    return [one for one in run.journal if isinstance(one, AttemptFailed)]


def fetching(world: World, policy: RetryPolicy = GROWING, **options: Any) -> Any:
    @function(retries=policy, **options)
    async def fetch(ctx: Context) -> int:
        world.try_(ctx)
        return ctx.attempt

    return fetch


# --- What the journal says -----------------------------------------------------------------------------------


@virtual_time
async def test_each_attempt_that_failed_is_in_the_journal_with_the_reason_and_when_the_next_begins(
    world: World,
) -> None:
    async with VirtualPlatform() as platform:
        began = platform.now.timestamp()
        run = await platform.start(fetching(world))
        assert await run.result() == 3

        failed = failed_attempts(run)
        assert [(one.attempt, one.failure.message) for one in failed] == [
            (1, "attempt 1"),
            (2, "attempt 2"),
        ]
        assert [one.next_at - began for one in failed] == pytest.approx([2, 6])
        assert (await run.ended()).attempts == 3


async def test_the_end_says_how_often_a_function_was_tried_that_failed_for_good() -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(fetching(World(failures=9)))
        ended = await run.ended()

        assert (ended.end, ended.attempts, len(failed_attempts(run))) == ("failed", 3, 2)


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (NonRetryableError("never"), AT_ONCE),
        (ValueError("no"), RetryPolicy(non_retryable=frozenset({"ValueError"}))),
        (ValueError("no"), RetryPolicy(max_attempts=1)),
    ],
)
async def test_what_is_not_tried_again_leaves_no_failed_attempt(
    error: Exception, policy: RetryPolicy
) -> None:
    @function(retries=policy)
    async def fails() -> None:
        raise error

    async with VirtualPlatform() as platform:
        run = await platform.start(fails)

        assert (await run.ended()).attempts == 1
        assert failed_attempts(run) == []


async def test_a_workflow_is_tried_once_and_does_not_count() -> None:
    @workflow
    async def fails(ctx: Context) -> None:
        raise ConnectionError("gone")

    async with VirtualPlatform() as platform:
        run = await platform.start(fails)

        assert (await run.ended()).attempts is None
        assert failed_attempts(run) == []


# --- The count survives -----------------------------------------------------------------------------------------


@virtual_time
async def test_attempts_are_counted_over_every_crash(world: World) -> None:
    await crash_everywhere(fetching(world), before_each=world.reset, after_each=lambda _run: _counted(world))


def _counted(world: World) -> None:
    """Only the attempt in which its process died may be begun again, once."""
    assert world.attempts == sorted(world.attempts)
    assert {*world.attempts} == {1, 2, 3}
    assert len(world.attempts) <= 4


@virtual_time
async def test_a_function_that_fails_for_good_is_not_tried_more_often_because_of_a_crash() -> None:
    world = World(failures=9)

    survived = await crash_everywhere(
        fetching(world), before_each=world.reset, after_each=lambda _run: _counted(world)
    )

    assert (survived.finished.end, survived.finished.attempts) == ("failed", 3)


@virtual_time
async def test_a_run_that_is_replayed_after_every_record_keeps_its_count(world: World) -> None:
    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(fetching(world)) == 3

    assert world.attempts == [1, 2, 3]


@virtual_time
async def test_what_a_failed_attempt_has_done_is_not_done_again_wherever_the_process_dies() -> None:
    world = World(failures=1)

    @function(retries=GROWING)
    async def buys(ctx: Context) -> list[str]:
        bought = [await ctx.step("charge", world.do, "kite")]
        world.try_(ctx)
        return [*bought, await ctx.step("charge", world.do, "tail")]

    def paid_once(run: VirtualRun) -> None:
        settled = [one for one in run.journal if isinstance(one, StepSettled)]
        assert [one.result for one in settled] == ["kite", "tail"]

    survived = await crash_everywhere(buys, before_each=world.reset, after_each=paid_once)

    assert survived.finished.result == ["kite", "tail"]


@virtual_time
async def test_a_further_attempt_may_do_other_acts_than_those_before() -> None:
    world = World(failures=2)

    @function
    async def double(number: int) -> int:
        return 2 * number

    @function(retries=GROWING)
    async def wanders(ctx: Context) -> list[Any]:
        done: list[Any] = [await ctx.step(f"only in {ctx.attempt}", world.do, "x")]
        done.append(await ctx.task(double, input=ctx.attempt))
        world.try_(ctx)
        return done

    survived = await crash_everywhere(wanders, before_each=world.reset)

    assert survived.finished.result == ["x", 6]


# --- The wait --------------------------------------------------------------------------------------------------


@virtual_time
async def test_a_long_interval_is_waited_for_out_of_memory() -> None:
    class BusyError(Exception):
        retry_after = 600

    @function(retries=2)
    async def busy(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise BusyError
        return "free"

    async with VirtualPlatform() as platform:
        began = platform.now
        run = await platform.start(busy)
        await platform.advance(seconds=1)

        assert (run.in_memory, run.status) == (False, "suspended")
        assert [one.waiting_for for one in run.journal if isinstance(one, RunSuspended)] == [("attempt@2",)]
        assert await run.result() == "free"
        assert (platform.now - began).total_seconds() == pytest.approx(600)


@virtual_time
async def test_the_rest_of_an_interval_is_waited_for_after_a_crash() -> None:
    async with VirtualPlatform(disturbance=Kill("after write", 1)) as platform:
        began = platform.now
        run = await platform.start(fetching(World(failures=1)))
        assert await run.result() == 2

        assert isinstance(run.journal[1], AttemptFailed)
        assert (platform.now - began).total_seconds() == pytest.approx(2)


@virtual_time
async def test_a_run_that_is_cancelled_between_two_attempts_ends(world: World) -> None:
    async def cancel(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(seconds=1)
        await run.cancel("enough")

    survived = await crash_everywhere(
        fetching(world, RetryPolicy(initial_interval_s=60, max_interval_s=60)),
        script=cancel,
        before_each=world.reset,
    )

    assert survived.finished.end == "cancelled"


@virtual_time
async def test_a_function_that_has_heard_that_it_is_to_end_is_not_tried_again() -> None:
    attempts: list[int] = []

    @function(retries=AT_ONCE)
    async def stubborn(ctx: Context) -> None:
        attempts.append(ctx.attempt)
        try:
            await ctx.signal("never")
        except asyncio.CancelledError:
            raise ConnectionError("the clean-up failed") from None

    async with VirtualPlatform() as platform:
        run = await platform.start(stubborn)
        await run.cancel("enough")

        assert (await run.ended()).end == "failed"
        assert failed_attempts(run) == []

    assert {*attempts} == {1}


@virtual_time
async def test_a_paused_run_is_not_tried_again_and_its_time_does_not_begin(world: World) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(fetching(world, timeout_ms=5_000))
        await run.pause("let us see")
        await platform.advance(hours=1)
        assert world.attempts == [1]

        await run.unpause()
        assert await run.result() == 3


# --- Replays that only check ------------------------------------------------------------------------------------


@virtual_time
async def test_code_that_was_tried_again_and_has_no_acts_is_not_run_by_a_check(world: World) -> None:
    fetch = fetching(world)
    async with VirtualPlatform() as platform:
        run = await platform.start(fetch)
        await run.ended()

    assert check_replay(fetch, run.journal).acts == 0
    assert world.attempts == [1, 2, 3]


@virtual_time
async def test_a_journal_without_failed_attempts_is_replayed_by_code_that_fails_beside_its_acts() -> None:
    world = World(failures=0)

    @function(retries=AT_ONCE)
    async def buys(ctx: Context) -> str:
        bought = await ctx.step("charge", world.do, "kite")
        world.try_(ctx)
        return bought

    async with VirtualPlatform() as platform:
        run = await platform.start(buys)
        await run.ended()
    world.failures = 1

    ended = check_replay(buys, run.journal).ended

    assert ended is not None
    assert ended.result == "kite"
    assert world.done == ["kite"]


# --- Scripts ------------------------------------------------------------------------------------------------------


async def on_platform(component: Any) -> Any:
    async with VirtualPlatform() as platform:
        return await platform.run(component)


@pytest.mark.parametrize("runs", [on_platform, local.run], ids=["platform", "script"])
async def test_a_script_tries_as_often_as_the_platform(
    runs: Callable[[Any], Awaitable[Any]], world: World
) -> None:
    assert await runs(fetching(world, AT_ONCE)) == 3

    assert world.attempts == [1, 2, 3]


def kinds(journal: list[JournalRecord]) -> list[str]:
    return [one.kind for one in journal]


@virtual_time
async def test_an_attempt_that_fails_is_journaled_before_its_interval_is_waited_for(world: World) -> None:
    async with VirtualPlatform() as platform:
        run = await platform.start(fetching(world))
        await run.ended()

    assert kinds(run.journal) == [
        "run.started",
        *("attempt.failed", "call.intended", "call.settled") * 2,
        "run.finished",
    ]
    waits = [one for one in run.journal if isinstance(one, CallIntended)]
    assert [one.until for one in waits] == pytest.approx([one.next_at for one in failed_attempts(run)])
    assert isinstance(run.journal[-1], RunFinished)
