"""Journals of runs that began with other code are held against the code as it is now, and nothing is done."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.components import REGISTRY
from towpath.errors import ConfigurationError, NonDeterminismError
from towpath.testing import Replayed, VirtualPlatform, check_replay, run_virtual
from towpath_schemas.journal import JournalRecord

Code = Callable[..., Coroutine[Any, Any, Any]]
DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


def work(what: str) -> str:
    DONE.append(what)
    return what


async def ships(ctx: Context, order: str) -> Any:
    packed = await ctx.step("pack", work, f"pack {order}")
    await ctx.sleep(86_400)
    paid = await ctx.signal("paid")
    await ctx.step("ship", work, f"ship {order}")
    return [packed, paid]


def journal_of(code: Code, *, signals: int = 0, days: int = 0, name: str = "ships") -> list[JournalRecord]:
    """Run code for some days, and return what it has journaled."""
    shop = workflow(name)(code)

    async def lived() -> list[JournalRecord]:
        async with VirtualPlatform() as platform:
            run = await platform.start(shop, "kite")
            await platform.advance(days=days)
            for number in range(signals):
                await run.signal("paid", number)
            return run.journal

    try:
        return run_virtual(lived)
    finally:
        REGISTRY.clear()
        DONE.clear()


def check(code: Code, records: list[JournalRecord]) -> Replayed:
    """Deploy code in the place of what there was, and hold it against a journal."""
    REGISTRY.clear()
    return check_replay(workflow("ships")(code), records)


@pytest.mark.parametrize(
    ("days", "signals", "acts", "stopped_at"),
    [
        (0, 0, 2, ("timer 'timer#0' of 'timer'",)),
        (1, 0, 3, ("signal 'signal:paid#0' of 'paid'",)),
        (1, 1, 4, ()),
    ],
)
def test_the_same_code_follows_its_journal_as_far_as_it_goes(
    days: int, signals: int, acts: int, stopped_at: tuple[str, ...]
) -> None:
    records = journal_of(ships, days=days, signals=signals)

    replayed = check(ships, records)

    assert (replayed.acts, replayed.stopped_at) == (acts, stopped_at)
    assert DONE == []


def test_code_that_may_only_go_on_differently_is_fine() -> None:
    async def ships_gift_wrapped(ctx: Context, order: str) -> Any:
        packed = await ctx.step("pack", work, f"pack {order}")
        await ctx.sleep(86_400)
        await ctx.step("wrap", work, "wrap")
        return packed

    replayed = check(ships_gift_wrapped, journal_of(ships, days=0))

    assert replayed.stopped_at == ("timer 'timer#0' of 'timer'",)


def test_a_step_that_was_put_in_between_is_named_with_what_the_journal_has() -> None:
    async def ships_checked(ctx: Context, order: str) -> Any:
        await ctx.step("check", work, "check")
        return await ships(ctx, order)

    with pytest.raises(
        NonDeterminismError, match=r"the journal has step 'pack#0', the code asked for step 'check#0'"
    ):
        check(ships_checked, journal_of(ships))
    assert DONE == []


def test_a_step_that_was_taken_out_is_found_where_the_code_only_waits() -> None:
    async def ships_unpacked(ctx: Context, order: str) -> Any:
        await ctx.sleep(86_400)
        return order

    with pytest.raises(
        NonDeterminismError, match=r"the journal has step 'pack#0', the code asked for timer 'timer#0'"
    ):
        check(ships_unpacked, journal_of(ships))


def test_code_that_ends_too_early_is_found() -> None:
    async def ships_nothing(ctx: Context, order: str) -> str:
        return await ctx.step("pack", work, f"pack {order}")

    with pytest.raises(
        NonDeterminismError, match=r"the journal has timer 'timer#0' of 'timer', the code asked for its end"
    ):
        check(ships_nothing, journal_of(ships))


def test_code_that_goes_on_where_the_run_had_ended_is_found() -> None:
    async def ships_twice(ctx: Context, order: str) -> Any:
        await ships(ctx, order)
        await ctx.step("again", work, "again")

    with pytest.raises(
        NonDeterminismError, match=r"the journal has its end as completed, the code asked for step 'again#0'"
    ):
        check(ships_twice, journal_of(ships, days=1, signals=1))
    assert DONE == []


def test_code_that_catches_everything_does_not_hide_that_it_diverged() -> None:
    async def ships_stubbornly(ctx: Context, order: str) -> Any:
        try:
            return await ctx.step("renamed", work, order, key="k")
        except Exception:  # noqa: BLE001 - as people write it
            return await ctx.step("compensate", work, "compensate")

    async def keyed(ctx: Context, order: str) -> None:
        await ctx.task("billing", "renamed", key="k")

    with pytest.raises(NonDeterminismError, match="'task:renamed#=k'"):
        check(ships_stubbornly, journal_of(keyed))


def test_other_arguments_of_a_call_are_found() -> None:
    async def charges(ctx: Context, order: str) -> None:
        await ctx.task("billing", "charge", input={"order": order, "amount": 5})
        await ctx.sleep(60)

    async def charges_more(ctx: Context, order: str) -> None:
        await ctx.task("billing", "charge", input={"order": order, "amount": 6})
        await ctx.sleep(60)

    @function
    async def charge(order: str, amount: int) -> None: ...

    records = journal_of(charges)
    with pytest.raises(NonDeterminismError, match=r"'amount': 5.*'amount': 6"):
        check(charges_more, records)


def test_other_arguments_of_a_call_that_has_not_ended_are_found() -> None:
    async def asks(ctx: Context, order: str) -> None:
        await ctx.human.approval("pay", {"amount": 5})

    async def asks_for_more(ctx: Context, order: str) -> None:
        await ctx.human.approval("pay", {"amount": 6})

    records = journal_of(asks)
    with pytest.raises(NonDeterminismError, match=r"'amount': 5.*'amount': 6"):
        check(asks_for_more, records)


def spawning(amount: int) -> Code:
    async def parent(ctx: Context, order: str) -> Any:
        return await ctx.spawn("other", ctx.run_id, amount).result()

    return parent


def journal_of_a_parent() -> tuple[str, list[JournalRecord]]:
    async def other(ctx: Context, of: str, amount: int) -> None:
        await ctx.signal("go")

    workflow("other")(other)
    shop = workflow("ships")(spawning(5))

    async def lived() -> tuple[str, list[JournalRecord]]:
        async with VirtualPlatform() as platform:
            run = await platform.start(shop, "kite")
            return run.run_id, run.journal

    return run_virtual(lived)


def test_other_arguments_of_a_child_are_found() -> None:
    run_id, records = journal_of_a_parent()
    REGISTRY.clear()

    with pytest.raises(NonDeterminismError, match=rf"'{run_id}', 5.*'{run_id}', 6"):
        check_replay(workflow("ships")(spawning(6)), records, run_id=run_id)


def test_a_child_that_is_told_the_id_of_the_run_is_found_again() -> None:
    run_id, records = journal_of_a_parent()
    REGISTRY.clear()

    replayed = check_replay(workflow("ships")(spawning(5)), records, run_id=run_id)

    assert replayed.acts == 1


def test_code_behind_a_patch_is_fine() -> None:
    async def ships_insured(ctx: Context, order: str) -> Any:
        if ctx.patched("insure"):
            await ctx.step("insure", work, "insure")
        return await ships(ctx, order)

    assert check(ships_insured, journal_of(ships)).acts == 2
    assert DONE == []


def test_a_step_that_was_under_way_is_not_run_again() -> None:
    async def packs(ctx: Context, order: str) -> None:
        async def packing() -> None:
            await ctx.step("wrap", work, "wrap")
            work("tie")
            await ctx.sleep(60)

        await ctx.step("pack", packing)

    records = journal_of(packs)
    assert any(getattr(record, "key", "") == "pack#0/wrap#0" for record in records)

    assert check(packs, records).stopped_at == ("step 'pack#0'",)
    assert DONE == []


def test_children_that_work_are_not_started_again() -> None:
    async def parent(ctx: Context, order: str) -> Any:
        child = ctx.spawn("other")
        await ctx.step("pack", work, "pack")
        return await child.result()

    async def other(ctx: Context) -> None:
        await ctx.sleep(60)

    workflow("other")(other)
    records = journal_of(parent)

    assert check(parent, records).stopped_at == ("run:other#0",)


def test_code_that_waits_by_means_of_asyncio_takes_no_time() -> None:
    async def patient(ctx: Context, order: str) -> None:
        await asyncio.sleep(0)
        await ctx.step("pack", work, "pack")
        await ctx.sleep(60)

    async def more_patient(ctx: Context, order: str) -> None:
        await asyncio.sleep(600)
        await ctx.step("pack", work, "pack")
        await ctx.sleep(60)

    assert check(more_patient, journal_of(patient)).acts == 2


async def test_it_can_be_called_where_a_loop_runs() -> None:
    shop = workflow("ships")(ships)
    async with VirtualPlatform() as platform:
        run = await platform.start(shop, "kite")

        assert check_replay("ships", run.export()).acts == 2


def test_a_plain_function_has_no_acts_and_is_not_run() -> None:
    @function
    def effects() -> None:
        work("effect")

    async def lived() -> list[JournalRecord]:
        async with VirtualPlatform() as platform:
            return (await platform.start(effects)).journal

    records = run_virtual(lived)
    DONE.clear()

    assert check_replay(effects, records).acts == 0
    assert DONE == []


def test_a_cancelled_run_is_replayed_with_its_cancellation() -> None:
    async def undoes(ctx: Context, order: str) -> None:
        async with ctx.saga() as saga:
            await ctx.step("pack", work, "pack")
            saga.on_failure("unpack", work, "unpack")
            await ctx.signal("never")

    async def lived() -> list[JournalRecord]:
        async with VirtualPlatform() as platform:
            run = await platform.start(workflow("ships")(undoes), "kite")
            await run.cancel()
            return run.journal

    records = run_virtual(lived)
    REGISTRY.clear()
    DONE.clear()

    replayed = check(undoes, records)

    assert replayed.ended is not None
    assert replayed.ended.end == "cancelled"
    assert DONE == []


@pytest.mark.parametrize("renamed", ["pack", "ship"])
def test_the_entry_that_the_code_does_not_repeat_is_told(renamed: str) -> None:
    async def ships_renamed(ctx: Context, order: str) -> Any:
        await ctx.step("renamed" if renamed == "pack" else "pack", work, order)
        await ctx.sleep(86_400)
        await ctx.step("renamed" if renamed == "ship" else "ship", work, order)

    async def ships_soon(ctx: Context, order: str) -> Any:
        await ctx.step("pack", work, order)
        await ctx.sleep(86_400)
        await ctx.step("ship", work, order)

    records = journal_of(ships_soon, days=1)
    (place,) = [number for number, one in enumerate(records) if getattr(one, "key", "") == f"{renamed}#0"]

    with pytest.raises(NonDeterminismError) as caught:
        check(ships_renamed, records)

    assert caught.value.entry == place


def test_by_its_name_the_version_is_meant_with_which_the_run_began() -> None:
    async def ships_boxes(ctx: Context, order: str) -> Any:
        await ctx.step("box", work, order)

    async def lived() -> str:
        async with VirtualPlatform() as platform:
            return (await platform.start("ships", "kite")).export()

    workflow("ships", version="1")(ships)
    stored = run_virtual(lived)
    workflow("ships", version="2")(ships_boxes)

    assert check_replay("ships", stored).acts == 2
    with pytest.raises(NonDeterminismError, match="step 'pack#0', the code asked for step 'box#0'"):
        check_replay(ships_boxes, stored)
    REGISTRY.clear()
    workflow("ships", version="2")(ships_boxes)
    with pytest.raises(ConfigurationError, match="'ships' is no workflow of version 1 here"):
        check_replay("ships", stored)


def test_what_is_no_journal_is_refused_with_the_line() -> None:
    records = journal_of(ships)
    shop = workflow("ships")(ships)
    with pytest.raises(ConfigurationError, match=r"line 1 is no record of a journal"):
        check_replay(shop, '{"kind": "nonsense"}')
    with pytest.raises(ConfigurationError, match=r"the journal has no run.started record"):
        check_replay(shop, "")
    with pytest.raises(ConfigurationError, match=r"'ship' is no workflow here"):
        check_replay("ship", records)


def test_a_text_may_hold_what_other_programs_take_for_the_end_of_a_line() -> None:
    @workflow
    async def quotes(ctx: Context, text: str) -> str:
        return await ctx.step("quote", work, text)

    async def exported() -> str:
        async with VirtualPlatform() as platform:
            run = await platform.start(quotes, "one\u2028two\u0085three")
            await run.result()
            return run.export()

    assert check_replay(quotes, run_virtual(exported)).ended is not None
