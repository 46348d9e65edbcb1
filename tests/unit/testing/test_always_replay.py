"""Dropped and replayed after every record, a run shows at once what its code has done that replay cannot repeat."""

import asyncio
from typing import Any

import pytest

from towpath import Context, workflow
from towpath.errors import ComponentError
from towpath.testing import VirtualPlatform, virtual_time


async def test_code_that_takes_another_way_when_it_is_replayed_fails_naming_both_sides() -> None:
    seen: list[str] = []

    @workflow
    async def wanders(ctx: Context, order: str) -> None:
        seen.append(order)
        await ctx.step("odd" if len(seen) % 2 else "even", lambda: 1)

    async with VirtualPlatform(always_replay=True) as platform:
        with pytest.raises(ComponentError) as caught:
            await platform.run(wanders, "kite")

    assert caught.value.failure.code == "non_determinism"
    assert "the journal has step 'odd#0', the code asked for step 'even#0'" in str(caught.value)


async def test_arguments_that_are_not_the_same_again_are_found() -> None:
    counted = iter(range(100))

    @workflow
    async def charges(ctx: Context) -> None:
        await ctx.task("billing", "charge", input={"receipt": next(counted)})

    async with VirtualPlatform(always_replay=True) as platform:
        with pytest.raises(ComponentError, match=r"'receipt': 0.*'receipt': 1"):
            await platform.run(charges)


async def test_an_effect_that_is_no_step_is_seen_to_happen_again() -> None:
    sent: list[str] = []

    def mail(what: str) -> None:
        sent.append(what)

    @workflow
    async def careless(ctx: Context) -> None:
        mail("not in a step")
        await ctx.step("mail", mail, "in a step")
        await ctx.step("more", lambda: 1)

    async with VirtualPlatform(always_replay=True) as platform:
        await platform.run(careless)

    assert sent.count("in a step") == 1
    assert sent.count("not in a step") > 1


async def test_what_is_remembered_outside_of_the_journal_is_seen_to_be_lost() -> None:
    class Desk:
        def __init__(self) -> None:
            self.answers: list[Any] = []

    desks: list[Desk] = []

    @workflow
    async def asks(ctx: Context) -> list[Any]:
        desk = Desk()
        desks.append(desk)
        desk.answers.append(await ctx.step("ask", lambda: "yes"))
        await ctx.sleep(60)
        return desk.answers

    async with VirtualPlatform(always_replay=True) as platform:
        assert await platform.run(asks) == ["yes"]

    assert len(desks) > 2, "each replay begins with nothing but the journal"


async def cleans_up_for_long(ctx: Context) -> str:
    try:
        await ctx.signal("never")
    except asyncio.CancelledError:
        await ctx.sleep(60)
        await ctx.step("clean", lambda: "cleaned")
        raise
    return "never"


async def test_a_cancelled_run_that_waits_while_it_cleans_up_comes_to_its_end() -> None:
    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(workflow(cleans_up_for_long))
        await run.cancel("enough")

        assert (await run.ended()).end == "cancelled"


@virtual_time
async def test_a_cancelled_run_that_waits_while_it_cleans_up_comes_to_its_end_in_virtual_time() -> None:
    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(workflow(cleans_up_for_long))
        await run.cancel("enough")

        assert (await run.ended()).end == "cancelled"


async def steps_once(*, stops: bool) -> None:
    log: list[str] = []

    @workflow
    async def works(ctx: Context) -> None:
        ctx.now()
        await ctx.step("do", log.append, "do")
        try:
            await asyncio.gather(ctx.sleep(1_000), ctx.signal("never", timeout_ms=2_000_000, default=None))
        finally:
            await ctx.step("undo", log.append, "undo")

    async with VirtualPlatform(always_replay=True) as platform:
        run = await platform.start(works)
        await platform.advance(seconds=3)
        if stops:
            await run.cancel("enough")
        await run.ended()

    assert log == ["do", "undo"]


@pytest.mark.parametrize("stops", [True, False])
async def test_a_step_runs_once_though_records_that_nobody_waited_for_are_written_meanwhile(
    *, stops: bool
) -> None:
    await steps_once(stops=stops)


@virtual_time
async def test_a_step_runs_once_though_such_records_are_written_meanwhile_in_virtual_time() -> None:
    await steps_once(stops=True)
