"""The order in which code is told what has become of its acts, and of the wish that it end."""

import asyncio
from collections.abc import Callable
from typing import Any

from towpath.context import Context
from towpath.engine.live_run import LiveRun
from towpath.engine.turns import Turns
from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.journal import CallIntended, CallSettled, CancelReceived, RunFinished
from towpath_testkit.held import Notebook, held
from towpath_testkit.journals import AT
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]
CANCEL = CancelReceived(at=AT, event_id="c-1", attribution=Attribution(tenant="acme", user_id="ada"))


async def test_nothing_behind_a_place_is_told_before_that_place_had_its_turn() -> None:
    told: list[int] = []
    turns = Turns(lambda: 0, lambda _number: False)

    async def take(number: int) -> None:
        await turns.turn(number)
        told.append(number)

    turns.hold_behind(4)
    later, earlier = asyncio.create_task(take(5)), asyncio.create_task(take(3))
    await earlier
    await turns.rest()
    assert told == [3]

    await take(4)
    turns.hold_behind(None)
    await asyncio.wait_for(later, 5)

    assert told == [3, 4, 5]


async def test_all_that_wait_for_one_outcome_are_told_of_it_before_the_next() -> None:
    told: list[int] = []
    turns = Turns(lambda: 0, lambda _number: False)

    async def take(number: int) -> None:
        await turns.turn(number)
        told.append(number)

    turns.hold_behind(0)
    taking = [asyncio.create_task(take(number)) for number in (4, 3, 3, 3)]
    await asyncio.sleep(0)
    taking[2].cancel()
    turns.hold_behind(None)
    await asyncio.wait(taking, timeout=5)

    assert told == [3, 3, 4]


async def test_code_hears_first_of_its_end_and_then_of_what_was_journaled_behind(started: Started) -> None:
    async def parent(ctx: Context) -> Any:
        child = ctx.spawn("other")
        try:
            return await child.result()
        except asyncio.CancelledError:
            return "cancelled first"

    intent = CallIntended(
        at=AT, key="run:other#0", act="run", target="other", input={"join": "detached", "input": {}}
    )
    failure = Failure(code="cancelled", message="its parent was cancelled")
    answer = CallSettled(at=AT, key=intent.key, act="run", target="other", failure=failure)

    finished = await asyncio.wait_for(started(held(intent, CANCEL, answer), parent), 5)

    assert finished.result == "cancelled first"


async def test_a_run_that_is_about_to_hear_of_its_end_does_not_only_wait(started: Started) -> None:
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("never")

    intent = CallIntended(at=AT, key="signal:never#0", act="signal", target="never")
    run = held(intent, entries=Notebook())
    ending = started(run, waits)
    await until_so(lambda: run.idling.only_waits)
    assert run.idling.waits_long(10)

    run.history.add(2, CANCEL)

    assert run.idling.catching_up
    assert not run.idling.waits_long(10)
    run.cancelling.tell()
    assert (await asyncio.wait_for(ending, 5)).end == "cancelled"


async def test_code_that_has_not_repeated_all_it_did_does_not_only_wait(started: Started) -> None:
    async def diverged(ctx: Context) -> Any:
        await ctx.gather(ctx.signal("never"), ctx.step("new", lambda: 1))

    intent = CallIntended(at=AT, key="signal:never#0", act="signal", target="never")
    gone = CallSettled(at=AT, key="task:gone#0", act="task", target="gone")
    run = held(intent, gone)
    ending = started(run, diverged)
    await until_so(lambda: run.waiting_for == (intent.key,))

    assert not run.idling.waits_long(10)
    assert (await asyncio.wait_for(ending, 5)).end == "failed"


async def test_nothing_outlives_the_code_that_started_it(started: Started) -> None:
    left: list[asyncio.Task[Any]] = []

    async def forgetful(ctx: Context) -> str:
        left.append(asyncio.create_task(ctx.signal("never")))
        await ctx.step("work", lambda: 1)
        return "done"

    assert (await asyncio.wait_for(started(held(), forgetful), 5)).result == "done"

    await asyncio.wait(left, timeout=5)
    assert left[0].cancelled()


async def test_acts_that_were_never_begun_leave_nothing_unawaited(started: Started) -> None:
    async def stops(ctx: Context) -> str:
        acts: list[Any] = [
            ctx.step("a", lambda: 1),
            ctx.task("hello", "add"),
            ctx.entity("Counter", "c").value(),
        ]
        for act in acts:
            act.close()
        return "done"

    assert (await asyncio.wait_for(started(held(), stops), 5)).result == "done"
