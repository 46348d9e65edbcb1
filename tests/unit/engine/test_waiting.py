"""What a run waits for besides calls: each has one outcome, and replay tells the same one."""

import asyncio
import operator
from collections.abc import Callable
from typing import Any

import pytest

from towpath.context import Context
from towpath.engine.alarms import alarm
from towpath.engine.live_run import LiveRun
from towpath.errors import SignalTimeoutError
from towpath.waiting import Approval
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ControlSent, SignalSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import (
    CallIntended,
    CallSettled,
    CancelReceived,
    JournalRecord,
    RunFinished,
    SignalReceived,
    StepSettled,
)
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, Outbox, held
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]
ADA = Attribution(tenant="acme", user_id="ada")


def sent(name: str, payload: Any = None, signal_id: str = "s-1") -> SignalSent:
    return SignalSent(signal_id=signal_id, run_id="run-1", name=name, payload=payload, attribution=ADA)


def control(what: Any) -> ControlSent:
    return ControlSent(event_id=f"c-{what}", run_id="run-1", control=what, reason="enough", attribution=ADA)


async def at_rest() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


def kinds(notebook: Notebook) -> list[str]:
    return [record.kind for record in notebook.records]


async def again(records: list[JournalRecord], code: Any, started: Started) -> RunFinished:
    """Replay what is written, but for the end."""
    return await asyncio.wait_for(started(held(*records), code), 5)


# --- Signals ----------------------------------------------------------------------------------------


async def paid(ctx: Context) -> Any:
    return await ctx.signal("paid")


async def test_a_signal_that_is_waited_for_is_one_record(started: Started) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    ending = started(run, paid)
    await at_rest()

    assert await run.take(sent("paid", 5))

    assert (await ending).result == 5
    assert kinds(notebook) == ["call.intended", "call.settled"]
    assert (await again(notebook.records, paid, started)).result == 5


async def test_a_signal_before_the_wait_is_kept_for_it(started: Started) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    await run.take(sent("paid", 5))

    assert (await started(run, paid)).result == 5
    assert kinds(notebook) == ["signal.received", "call.settled"]
    assert (await again(notebook.records, paid, started)).result == 5


async def test_signals_of_a_name_are_consumed_in_their_order_and_the_same_one_once(started: Started) -> None:
    async def both(ctx: Context) -> Any:
        return [await ctx.signal("n"), await ctx.signal("n")]

    run = held()
    for payload, signal_id in ((1, "a"), (1, "a"), (2, "b")):
        assert await run.take(sent("n", payload, signal_id))

    assert (await started(run, both)).result == [1, 2]


async def test_a_signal_that_comes_while_its_wait_is_being_written_is_not_missed(started: Started) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    notebook.open.clear()
    ending = started(run, paid)
    await at_rest()
    taking = asyncio.create_task(run.take(sent("paid", 5)))
    await at_rest()

    notebook.open.set()

    assert await taking
    assert (await asyncio.wait_for(ending, 5)).result == 5
    assert (await again(notebook.records, paid, started)).result == 5


@pytest.mark.parametrize(("default", "expected"), [(None, None), ({"approved": False}, {"approved": False})])
async def test_where_nothing_comes_in_time_the_default_is_the_signal(
    started: Started, default: Any, expected: Any
) -> None:
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("paid", timeout_ms=60_000, default=default)

    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, waits)
    await at_rest()

    await run.take(alarm("run-1", outbox.sent[0]))
    await run.take(sent("paid", 5))

    assert (await ending).result == expected
    assert (await again(notebook.records, waits, started)).result == expected


async def test_a_wait_without_default_fails_when_its_time_is_over(started: Started) -> None:
    async def waits(ctx: Context) -> Any:
        with pytest.raises(SignalTimeoutError, match="no signal 'paid' came in time"):
            await ctx.signal("paid", timeout_ms=60_000)
        return "late"

    outbox = Outbox()
    run = held(outbox=outbox)
    ending = started(run, waits)
    await at_rest()
    await run.take(alarm("run-1", outbox.sent[0]))

    assert (await ending).result == "late"


async def test_a_signal_in_time_disarms_the_alarm(started: Started) -> None:
    async def waits(ctx: Context) -> Any:
        return await ctx.signal("paid", timeout_ms=60_000)

    outbox = Outbox()
    run = held(outbox=outbox)
    ending = started(run, waits)
    await at_rest()
    await run.take(sent("paid", 1))
    await ending

    assert outbox.disarmed == ["signal:paid#0"]


async def race(ctx: Context) -> Any:
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


@pytest.mark.parametrize("first", ["signal", "timer"])
async def test_a_race_has_one_winner_in_every_replay_and_the_loser_keeps_nothing(
    started: Started, first: str
) -> None:
    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, race)
    await at_rest()
    timer = next(intent for intent in outbox.sent if intent.act == "timer")
    events = [sent("paid", 5), alarm("run-1", timer)]
    if first == "timer":
        events.reverse()

    await run.take(events[0])
    await at_rest()
    late = asyncio.create_task(run.take(events[1]))

    expected = ["signal", None] if first == "signal" else ["timer", 5]
    assert (await asyncio.wait_for(ending, 5)).result == expected
    run.let_go.set()
    await late
    assert (await again(notebook.records, race, started)).result == expected


async def untold_signal(notebook: Notebook, code: Any, started: Started, *, in_flight: bool) -> Any:
    """Have a timer win, and a signal come before the code has heard of that: it settles the wait of the loser."""
    outbox = Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, code)
    await at_rest()
    await run.take(alarm("run-1", next(intent for intent in outbox.sent if intent.act == "timer")))
    if in_flight:
        notebook.open.clear()
    taking = asyncio.create_task(run.take(sent("paid", 5)))
    await at_rest()
    notebook.open.set()
    assert await taking
    return (await asyncio.wait_for(ending, 5)).result


@pytest.mark.parametrize("in_flight", [False, True])
async def test_a_signal_that_a_wait_got_and_never_told_goes_to_the_next(
    started: Started,
    in_flight: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    notebook = Notebook()

    assert await untold_signal(notebook, race, started, in_flight=in_flight) == ["timer", 5]

    assert kinds(notebook).count("signal.returned") == 1
    for cut in range(len(notebook.records) + 1):
        run = held(*notebook.records[:cut])
        replaying = started(run, race)
        await at_rest()
        for timer in run.history.unsettled("timer"):
            await run.take(alarm("run-1", timer))
        offered = asyncio.create_task(run.take(sent("paid", 5)))
        result = (await asyncio.wait_for(replaying, 5)).result
        assert result == ["timer", 5], cut
        run.let_go.set()
        await offered


async def test_a_signal_that_is_given_back_goes_to_a_wait_that_is_open_already(started: Started) -> None:
    async def two_waits(ctx: Context) -> Any:
        signal, timer = asyncio.ensure_future(ctx.signal("paid")), asyncio.ensure_future(ctx.timer(60_000))
        other = asyncio.ensure_future(ctx.signal("paid"))
        await asyncio.wait({signal, timer}, return_when=asyncio.FIRST_COMPLETED)
        signal.cancel()
        return await other

    notebook = Notebook()

    assert await untold_signal(notebook, two_waits, started, in_flight=False) == 5
    assert (await again(notebook.records, two_waits, started)).result == 5


# --- Timers -----------------------------------------------------------------------------------------


async def test_a_timer_fires_once_and_replay_does_not_wait_again(started: Started) -> None:
    async def sleeps(ctx: Context) -> str:
        await ctx.sleep(86_400 * 30)
        return "rested"

    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox, clock=lambda: 1_000.0)
    ending = started(run, sleeps)
    await at_rest()
    assert outbox.sent[0].until == 1_000 + 86_400 * 30
    assert run.idling.waits_long(10)

    await run.take(alarm("run-1", outbox.sent[0]))
    await run.take(alarm("run-1", outbox.sent[0]))

    assert (await ending).result == "rested"
    assert kinds(notebook) == ["call.intended", "call.settled"]
    assert (await again(notebook.records, sleeps, started)).result == "rested"


async def test_a_short_timer_needs_no_broker(started: Started) -> None:
    async def naps(ctx: Context) -> str:
        await ctx.timer(5)
        return "rested"

    outbox = Outbox()

    assert (await asyncio.wait_for(started(held(outbox=outbox), naps), 5)).result == "rested"
    assert outbox.sent == []


# --- Approvals --------------------------------------------------------------------------------------


async def deploys(ctx: Context) -> Any:
    approval = await ctx.human.approval("deploy", payload={"v": 1}, timeout=60, required_roles=["admin"])
    return [approval.decision, approval.approver, approval.comment]


async def test_a_person_decides_and_is_named(started: Started) -> None:
    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, deploys)
    await at_rest()
    said = Approval("approved", "ada", comment="go")

    await run.take(
        answered(
            outbox.sent[0].key,
            {"decision": said.decision, "approver": said.approver, "comment": said.comment},
        )
    )

    assert (await ending).result == ["approved", "ada", "go"]
    assert (await again(notebook.records, deploys, started)).result == ["approved", "ada", "go"]


async def test_an_approval_that_nobody_gave_has_expired(started: Started) -> None:
    outbox = Outbox()
    run = held(outbox=outbox)
    ending = started(run, deploys)
    await at_rest()

    await run.take(alarm("run-1", outbox.sent[0]))

    assert (await ending).result == ["expired", None, None]


# --- Cancelling and pausing ---------------------------------------------------------------------------


async def undone(ctx: Context) -> Any:
    async with ctx.saga() as saga:
        charge = await ctx.step("charge", lambda: 42)
        saga.on_failure("refund", operator.neg, charge)
        await ctx.signal("never")


async def test_a_cancelled_run_cleans_up_and_does_so_once(started: Started) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    ending = started(run, undone)
    await at_rest()

    assert await run.take(control("cancel"))
    finished = await asyncio.wait_for(ending, 5)

    assert finished.end == "cancelled"
    assert finished.failure is not None
    assert finished.failure.message == "the run was cancelled: enough"
    steps = [record for record in notebook.records if isinstance(record, StepSettled)]
    assert [(step.key, step.result) for step in steps] == [("charge#0", 42), ("refund#0", -42)]
    for cut in range(len(notebook.records) + 1):
        run, book = held(*notebook.records[:cut]), notebook.records[:cut]
        replaying = started(run, undone)
        await at_rest()
        if not any(isinstance(record, CancelReceived) for record in book):
            await run.take(control("cancel"))
        assert (await asyncio.wait_for(replaying, 5)).end == "cancelled", cut


async def test_code_may_refuse_to_be_cancelled(started: Started) -> None:
    async def stubborn(ctx: Context) -> str:
        try:
            await ctx.signal("never")
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    run = held()
    ending = started(run, stubborn)
    await at_rest()
    await run.take(control("cancel"))

    finished = await asyncio.wait_for(ending, 5)
    assert (finished.end, finished.result) == ("completed", "done all the same")


async def test_a_paused_run_begins_nothing_new_until_it_is_told_to_go_on(started: Started) -> None:
    async def two(ctx: Context) -> Any:
        return [await ctx.signal("go"), await ctx.step("work", lambda: "worked")]

    notebook = Notebook()
    run = held(entries=notebook)
    ending = started(run, two)
    await at_rest()
    await run.take(control("pause"))
    await run.take(sent("go", 1))
    await at_rest()
    assert kinds(notebook) == ["call.intended", "run.paused", "call.settled"]
    assert run.idling.waits_long(10)

    await run.take(control("unpause"))

    assert (await asyncio.wait_for(ending, 5)).result == [1, "worked"]


# --- Plain asyncio ----------------------------------------------------------------------------------


async def branches(ctx: Context) -> Any:
    order: list[str] = []

    async def branch(name: str, steps: int) -> str:
        for number in range(steps):
            await ctx.step("work", int, number)
            order.append(f"{name}{number}")
        return name

    async with asyncio.TaskGroup() as group:
        named = [group.create_task(branch(name, steps)) for name, steps in (("a", 3), ("b", 2))]
    gathered = await asyncio.gather(*(ctx.step("work", int, n) for n in range(3)))
    return [order, [task.result() for task in named], gathered]


async def test_plain_tasks_keep_their_places_wherever_the_run_is_cut_off(started: Started) -> None:
    notebook = Notebook()
    finished = await asyncio.wait_for(started(held(entries=notebook), branches), 5)
    order, names, gathered = finished.result
    assert sorted(order) == ["a0", "a1", "a2", "b0", "b1"]
    assert (names, gathered) == (["a", "b"], [0, 1, 2])

    for cut in range(len(notebook.records)):
        book = Notebook()
        replayed = await asyncio.wait_for(started(held(*notebook.records[:cut], entries=book), branches), 5)
        assert replayed.result[1:] == [names, gathered]
        settled = [record.key for record in book.records if isinstance(record, StepSettled)]
        assert len(settled) == len(notebook.records) - cut
    assert (await again(notebook.records, branches, started)).result == finished.result


# --- Children, and life after this run ----------------------------------------------------------------


async def test_a_child_is_started_before_anything_else_and_its_end_is_its_result(started: Started) -> None:
    async def parent(ctx: Context) -> Any:
        child = ctx.spawn("other", 1, key="one")
        await ctx.step("work", lambda: None)
        return await child.result()

    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, parent)
    await at_rest()
    assert [record.kind for record in notebook.records] == ["call.intended", "step.settled"]

    await run.take(answered("run:other#=one", "grown"))

    assert (await ending).result == "grown"
    assert (await again(notebook.records, parent, started)).result == "grown"


async def test_a_cancelled_parent_cancels_the_child_it_waits_for(started: Started) -> None:
    async def parent(ctx: Context) -> Any:
        return await ctx.spawn("other", join="cancel").result()

    outbox = Outbox()
    run = held(outbox=outbox)
    ending = started(run, parent)
    await at_rest()
    await run.take(control("cancel"))

    assert (await asyncio.wait_for(ending, 5)).end == "cancelled"
    assert len(outbox.cancelled) == 1


async def test_a_run_that_continues_as_new_names_its_successor(started: Started) -> None:
    async def endless(ctx: Context) -> Any:
        ctx.continue_as_new({"n": 2})

    finished = await started(held(), endless)

    assert (finished.end, finished.result) == ("continued", {"n": 2})
    assert finished.successor is not None


async def test_a_patch_is_taken_by_new_runs_and_not_by_those_that_have_come_past_it(started: Started) -> None:
    async def changed(ctx: Context) -> Any:
        how = "new" if ctx.patched("change-1") else "old"
        await ctx.step("work", lambda: how)
        return how

    notebook = Notebook()
    assert (await started(held(entries=notebook), changed)).result == "new"
    assert (await again(notebook.records, changed, started)).result == "new"
    old = [record for record in notebook.records if isinstance(record, StepSettled)]
    assert (await again([*old], changed, started)).result == "old"


async def test_a_kept_signal_says_who_sent_it(started: Started) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    await run.take(sent("paid", 5))

    (received,) = notebook.records
    assert isinstance(received, SignalReceived)
    assert received.attribution == ADA


async def test_a_task_that_failed_is_called_again_as_an_act_of_its_own(started: Started) -> None:
    async def calls(ctx: Context) -> Any:
        return await ctx.task("hello", "add", input=1, retries=2)

    notebook, outbox = Notebook(), Outbox()
    run = held(entries=notebook, outbox=outbox)
    ending = started(run, calls)
    await at_rest()
    failure = Failure(code="user_error", message="no")
    await run.take(answered("task:add#0", None).model_copy(update={"failure": failure}))
    await until_so(lambda: len(outbox.sent) == 2)
    await run.take(answered("task:add#0@2", 3))

    assert (await asyncio.wait_for(ending, 5)).result == 3
    keys = [record.key for record in notebook.records if isinstance(record, CallIntended | CallSettled)]
    assert keys == ["task:add#0"] * 2 + ["task:add#0@2/wait"] * 2 + ["task:add#0@2"] * 2
