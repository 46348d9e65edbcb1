"""Signals of one name go to waits in the order in which they come, however long it takes to write them down."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from towpath.context import Context
from towpath.engine.live_run import LiveRun
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import SignalSent
from towpath_schemas.journal import CallIntended, CallSettled, RunFinished, ValueDrawn, read_record
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, held
from towpath_testkit.journals import AT
from towpath_testkit.settled import until_so

Started = Callable[[LiveRun, Any], "asyncio.Task[RunFinished]"]
CALL = CallIntended(at=AT, key="task:look_up#0", act="task", target="look_up")
ADA = Attribution(tenant="acme", user_id="ada")


def sent(number: int) -> SignalSent:
    return SignalSent(signal_id=f"s-{number}", run_id="run-1", name="paid", payload=number, attribution=ADA)


async def at_rest() -> None:
    for _ in range(60):
        await asyncio.sleep(0)


async def three(ctx: Context) -> list[Any]:
    return [await ctx.signal("paid") for _ in range(3)]


@pytest.mark.parametrize("before", [0, 1, 2])
async def test_a_signal_that_is_being_kept_is_not_overtaken(started: Started, before: int) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    notebook.open.clear()
    taking = [asyncio.create_task(run.take(sent(number))) for number in range(before)]
    await at_rest()
    ending = started(run, three)
    await at_rest()
    taking += [asyncio.create_task(run.take(sent(number))) for number in range(before, 3)]
    await at_rest()
    notebook.open.set()

    assert (await asyncio.wait_for(ending, 5)).result == [0, 1, 2]
    assert all(await asyncio.gather(*taking))


@pytest.mark.parametrize("rounds", range(10))
async def test_a_signal_that_comes_behind_a_kept_one_goes_to_no_wait_before_it(
    started: Started, rounds: int
) -> None:
    notebook = Notebook()
    run = held(entries=notebook)
    notebook.open.clear()
    taking = [asyncio.create_task(run.take(sent(0)))]
    await at_rest()
    ending = started(run, three)
    await at_rest()
    notebook.open.set()
    for _ in range(rounds):
        await asyncio.sleep(0)
    taking += [asyncio.create_task(run.take(sent(number))) for number in (1, 2)]

    assert (await asyncio.wait_for(ending, 5)).result == [0, 1, 2]
    assert all(await asyncio.gather(*taking))


async def test_no_wait_gets_a_kept_signal_once_the_run_has_ended() -> None:
    run = held()
    await run.take(sent(0))
    run.stop()

    assert not await run.reception.take_kept("signal:paid#0", "paid")

    kept = run.history.incoming.kept_signal("paid")
    assert kept is not None
    assert kept.signal_id == "s-0"


class LateOutcomes(Notebook):
    """A journal that takes longer to write how a call ended than to write anything else."""

    def __init__(self) -> None:
        super().__init__()
        self.outcomes = asyncio.Event()

    async def append(self, number: int, body: bytes) -> None:
        if isinstance(read_record(body), CallSettled):
            await self.outcomes.wait()
        await super().append(number, body)


async def test_the_end_of_a_run_is_written_behind_what_was_held_up_before_it() -> None:
    notebook = LateOutcomes()
    run = held(entries=notebook)
    await run.append(CALL)
    notebook.open.clear()
    run.append_soon(ValueDrawn(at=AT, key="now#0", source="now", value=AT))
    taking = asyncio.create_task(run.take(answered(CALL.key, 5)))
    await until_so(lambda: run.writes_held_up)

    ending = asyncio.create_task(run.finish(RunFinished(at=AT, end="completed")))
    await at_rest()
    notebook.open.set()
    await at_rest()
    notebook.outcomes.set()
    await ending

    assert await taking
    assert [record.kind for record in notebook.records[-2:]] == ["call.settled", "run.finished"]
