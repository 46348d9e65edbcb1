"""What a run may wait for besides calls: moments and signals, in plain asyncio, with one outcome in every replay."""

import asyncio
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.errors import SignalTimeoutError
from towpath.testing import VirtualPlatform, VirtualRun, crash_everywhere, virtual_time


async def test_a_signal_before_the_wait_is_kept() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        await ctx.sleep(3600)
        return [await ctx.signal("paid"), await ctx.signal("paid")]

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await run.signal("paid", 1)
        await platform.signal(run.run_id, "paid", 2)

        assert await run.result() == [1, 2]


async def test_the_same_signal_twice_is_one() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        return [await ctx.signal("n"), await ctx.signal("n", timeout_ms=1_000, default=None)]

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await run.signal("n", 1, signal_id="s-1")
        await run.signal("n", 1, signal_id="s-1")

        assert await run.result() == [1, None]


async def test_where_no_signal_comes_in_time_the_default_is_the_signal() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("paid", timeout_ms=172_800_000, default={"paid": False})

    async with VirtualPlatform() as platform:
        run = await platform.start(waits)
        await platform.advance(hours=47)
        assert run.status == "suspended"
        await platform.advance(hours=1)

        assert await run.result() == {"paid": False}


async def test_where_no_signal_comes_in_time_and_there_is_no_default_the_wait_fails() -> None:
    @workflow
    async def waits(ctx: Context) -> Any:
        with pytest.raises(SignalTimeoutError, match="no signal 'paid' came in time"):
            await ctx.signal("paid", timeout_ms=60_000)
        return "late"

    async with VirtualPlatform() as platform:
        assert await platform.run(waits) == "late"


async def test_a_signal_reaches_all_that_wait_for_it_and_nobody_else() -> None:
    @workflow
    async def waits(ctx: Context, name: str) -> Any:
        return await ctx.signal(name, timeout_ms=60_000, default="nothing")

    @workflow
    async def tells(ctx: Context) -> None:
        await ctx.signal.emit("news", "sun")

    async with VirtualPlatform() as platform:
        listening = [await platform.start(waits, "news") for _ in range(2)]
        other = await platform.start(waits, "weather")
        await platform.run(tells)

        assert [await run.result() for run in listening] == ["sun", "sun"]
        assert await other.result() == "nothing"
        await platform.broadcast("news")


async def test_a_signal_from_one_run_to_another_is_sent_once_wherever_the_sender_dies() -> None:
    @workflow
    async def sender(ctx: Context, to: str) -> None:
        await ctx.signal.emit("hello", 1, run_id=to)

    @workflow
    async def receiver(ctx: Context) -> Any:
        child = ctx.spawn(sender, ctx.run_id)
        first = await ctx.signal("hello")
        await child.result()
        return [first, await ctx.signal("hello", timeout_ms=1_000, default="no second")]

    survived = await crash_everywhere(receiver)

    assert survived.finished.result == [1, "no second"]


# --- Plain asyncio ------------------------------------------------------------------------------------


async def raced(ctx: Context) -> Any:
    waits = {
        "signal": asyncio.ensure_future(ctx.signal("paid")),
        "timer": asyncio.ensure_future(ctx.timer(60_000)),
    }
    done, pending = await asyncio.wait(waits.values(), return_when=asyncio.FIRST_COMPLETED)
    for one in pending:
        one.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    winner = next(name for name, wait in waits.items() if wait in done)
    late = await ctx.signal("paid") if winner == "timer" else None
    return [winner, late]


@pytest.mark.parametrize(("after_s", "expected"), [(59, ["signal", None]), (61, ["timer", 5])])
async def test_a_race_has_one_winner_wherever_the_run_dies_and_the_loser_keeps_nothing(
    after_s: int, expected: Any
) -> None:
    race = workflow("race")(raced)

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await platform.advance(seconds=after_s)
        await run.signal("paid", 5)

    survived = await crash_everywhere(race, script=script)

    assert survived.finished.result == expected
    assert len(survived.crashes) > 20


@virtual_time
async def test_plain_tasks_keep_their_places_wherever_the_run_dies() -> None:
    @workflow
    async def branches(ctx: Context) -> Any:
        async def branch(name: str, steps: int) -> list[str]:
            done = [await ctx.step("work", f"{name}{{}}".format, number) for number in range(steps)]
            await ctx.sleep(3600 * steps)
            return [*done, await ctx.step("work", lambda: f"{name}!")]

        async with asyncio.TaskGroup() as group:
            named = [group.create_task(branch(name, steps)) for name, steps in (("a", 2), ("b", 1))]
        gathered = await asyncio.gather(*(ctx.step("work", int, n) for n in range(3)))
        return [[task.result() for task in named], gathered]

    survived = await crash_everywhere(branches)

    assert survived.finished.result == [[["a0", "a1", "a!"], ["b0", "b!"]], [0, 1, 2]]


async def test_a_timeout_of_asyncio_around_a_wait_is_no_other_than_any() -> None:
    @workflow
    async def waits(ctx: Context) -> str:
        gathering = ctx.gather(ctx.signal("never"), ctx.step("fails", lambda: 1 / 0), return_exceptions=False)
        try:
            await gathering
        except Exception as error:  # noqa: BLE001 - whatever it is
            return str(error)
        return "never"

    survived = await crash_everywhere(waits)

    assert survived.finished.result == "division by zero"


# --- The life of a run ----------------------------------------------------------------------------------


async def test_a_saga_undoes_what_was_done_wherever_the_run_dies_after_it_was_cancelled() -> None:
    world: list[str] = []

    @workflow
    async def books(ctx: Context) -> None:
        async with ctx.saga() as saga:
            for what in ("flight", "hotel"):
                await ctx.step(f"book {what}", world.append, what)
                saga.on_failure(f"cancel {what}", world.append, f"no {what}")
            await ctx.signal("never")

    async def script(platform: VirtualPlatform, run: VirtualRun) -> None:
        await run.cancel("it rains")

    def undone_in_order(run: VirtualRun) -> None:
        undone = [what for what in world if what.startswith("no ")]
        assert list(dict.fromkeys(undone)) == ["no hotel", "no flight"]

    survived = await crash_everywhere(
        books, script=script, before_each=world.clear, after_each=undone_in_order
    )

    assert survived.finished.end == "cancelled"


async def test_a_run_that_continues_as_new_has_the_result_of_the_last_one() -> None:
    @workflow
    async def countdown(ctx: Context, number: int) -> str:
        await ctx.sleep(86_400)
        if number:
            ctx.continue_as_new(number - 1)
        return "lift-off"

    async with VirtualPlatform() as platform:
        begun = platform.now
        run = await platform.start(countdown, 3)

        assert await run.result() == "lift-off"
        assert run.status == "continued"
        assert len(platform.runs) == 4
        assert (platform.now - begun).days == 4

    assert (await crash_everywhere(countdown, 2)).finished.result == "lift-off"


async def test_a_patch_is_taken_by_new_runs_and_not_by_those_that_have_come_past_it() -> None:
    done: list[str] = []
    deployed = {"patched": False}

    @workflow
    async def ships(ctx: Context) -> None:
        if deployed["patched"] and ctx.patched("insure"):
            await ctx.step("insure", done.append, "insured")
        await ctx.step("pack", done.append, "packed")
        await ctx.sleep(86_400)
        await ctx.step("ship", done.append, "shipped")

    async with VirtualPlatform() as platform:
        old = await platform.start(ships)
        deployed["patched"] = True
        new = await platform.start(ships)
        await platform.advance(days=1)

        assert [old.status, new.status] == ["completed", "completed"]
        assert sorted(done) == ["insured", "packed", "packed", "shipped", "shipped"]


async def test_sync_code_asks_in_its_thread_whether_it_runs_patched() -> None:
    @function
    def ships(ctx: Context) -> list[str]:
        return ["insured" if ctx.patched("insure") else "bare", str(ctx.uuid())]

    async with VirtualPlatform() as platform:
        run = await platform.start(ships)
        assert (await run.result())[0] == "insured"
        assert [getattr(record, "source", None) for record in run.journal] == [None, "patched", "uuid", None]

    async with VirtualPlatform(always_replay=True) as platform:
        assert (await platform.run(ships))[0] == "insured"
    assert (await crash_everywhere(ships)).finished.result[0] == "insured"
