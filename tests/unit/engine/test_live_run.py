"""A held run: answers come by several ways and at any moment, and the code is told each exactly once."""

import asyncio

import pytest

from towpath.engine import holding_back
from towpath.engine.acting import Actor
from towpath.engine.asked import Asked, call_asked
from towpath.errors import NonDeterminismError
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import Answered, SignalSent
from towpath_schemas.journal import CallIntended, CallSettled, RunFinished, StepSettled
from towpath_testkit.builders import answered
from towpath_testkit.held import Notebook, Outbox, held
from towpath_testkit.journals import AT

CALL = CallIntended(at=AT, key="task:add#0", act="task", target="add", service="hello")
STEP = StepSettled(at=AT, key="a#0", result=1)
ADD = call_asked(CALL.key, "task", "add")


async def test_of_two_answers_at_the_same_time_one_is_written_and_both_are_taken() -> None:
    entries = Notebook()
    run = held(CALL, entries=entries)
    waiting = asyncio.create_task(run.answer(CALL.key))
    await asyncio.sleep(0)

    entries.open.clear()
    taking = [asyncio.create_task(run.take(answered(CALL.key, said))) for said in ("first", "second")]
    await asyncio.sleep(0)
    entries.open.set()

    assert await asyncio.gather(*taking) == [True, True]
    assert (await waiting).result == "first"
    assert [record.result for record in entries.records if isinstance(record, CallSettled)] == ["first"]


async def test_an_answer_that_comes_before_anyone_waits_is_not_waited_for() -> None:
    run = held(CALL)

    await run.take(answered(CALL.key, 3))

    assert (await asyncio.wait_for(run.answer(CALL.key), 1)).result == 3


async def test_an_answer_to_what_is_being_written_is_taken_once_that_is_known_to_be_there() -> None:
    entries = Notebook()
    run = held(entries=entries)
    entries.open.clear()
    asking = asyncio.create_task(run.append(CALL))
    await asyncio.sleep(0)
    taking = asyncio.create_task(run.take(answered(CALL.key, 3)))
    await asyncio.sleep(0)

    entries.open.set()

    assert await taking
    await asking
    assert [record.result for record in entries.records if isinstance(record, CallSettled)] == [3]


async def test_an_act_that_was_begun_is_waited_for_while_others_are_replayed() -> None:
    run = held(CALL, STEP)

    assert await run.ask(ADD) is None
    assert run.replay.goes_on


async def test_a_value_drawn_last_ends_the_replay_for_those_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding_back, "_DIVERGED_AFTER_S", 30)
    run = held(STEP)
    asking = asyncio.create_task(run.ask(Asked("b#0", "step")))
    await asyncio.sleep(0)

    run.replay.known(Asked("a#0", "step"))

    assert await asyncio.wait_for(asking, 1) is None


async def test_code_that_does_something_else_is_stopped_before_it_does_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(holding_back, "_DIVERGED_AFTER_S", 0.01)
    run = held(STEP)

    with pytest.raises(NonDeterminismError, match="step 'a#0', the code asked for step 'b#0'"):
        await run.ask(Asked("b#0", "step"))


async def test_code_that_is_slow_to_repeat_itself_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding_back, "_DIVERGED_AFTER_S", 0.05)
    steps = [StepSettled(at=AT, key=f"a#{number}", result=1) for number in range(5)]
    run = held(*steps)

    async def slow() -> None:
        for number in range(5):
            await asyncio.wait({asyncio.ensure_future(asyncio.Event().wait())}, timeout=0.03)
            await run.ask(Asked(f"a#{number}", "step"))

    _, asked = await asyncio.gather(slow(), run.ask(Asked("b#0", "step")))

    assert asked is None


async def test_a_run_that_was_let_go_takes_and_writes_nothing() -> None:
    entries = Notebook()
    run = held(CALL, entries=entries)
    run.let_go.set()

    assert await run.take(answered(CALL.key, 3)) is False
    for act in (run.append(STEP), run.ask(ADD), run.answer(CALL.key)):
        with pytest.raises(asyncio.CancelledError):
            await act
    assert entries.records == []


@pytest.mark.parametrize(("successor", "is_nobodys"), [("next", False), (None, True)])
async def test_a_signal_that_comes_while_a_run_ends_is_for_whoever_goes_on_from_it(
    successor: str | None,
    is_nobodys: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    run = held(CALL)
    run.stop()
    by = Attribution(tenant="acme")
    sent = SignalSent(signal_id="s", run_id=run.run_id, name="paid", attribution=by)
    offered = asyncio.create_task(run.take(sent))
    answer = asyncio.create_task(run.take(answered(CALL.key, 3)))

    await run.finish(RunFinished(at=AT, end="continued" if successor else "completed", successor=successor))
    run.let_go.set()

    assert await offered is is_nobodys
    assert await answer


async def test_what_comes_for_a_run_whose_end_is_not_written_is_for_whoever_has_it_by_then() -> None:
    run = held(CALL)
    run.stop()
    answer = asyncio.create_task(run.take(answered(CALL.key, 3)))
    run.let_go.set()

    assert not await answer


@pytest.mark.parametrize("is_ours", [True, False])
async def test_an_answer_to_what_is_not_known_here_is_left_to_whoever_has_the_run_by_now(
    is_ours: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    class Fenced(Notebook):
        async def are_ours(self) -> bool:
            return is_ours

    run = held(CALL, entries=Fenced())

    assert await run.take(answered("task:unheard-of#0", 3)) is is_ours
    assert run.let_go.is_set() is not is_ours


async def test_only_waiting_counts_as_idle() -> None:
    run = held(CALL)
    later = run.progressed_at + 100

    assert not run.is_idle(later, 99)
    waiting = asyncio.create_task(run.answer(CALL.key))
    await asyncio.sleep(0)
    assert run.is_idle(later, 99)
    with run.busy():
        assert not run.is_idle(later, 99)
    moves = run.moves
    await run.take(answered(CALL.key, 3))
    await waiting
    assert run.moves > moves
    assert not run.is_idle(later, 99)


async def test_a_run_whose_command_is_not_sent_yet_does_not_merely_wait() -> None:
    sent = asyncio.Event()

    class SlowOutbox(Outbox):
        async def send(self, intent: CallIntended) -> Answered | None:
            await sent.wait()
            return await super().send(intent)

    run = held(CALL, outbox=SlowOutbox())
    calling = asyncio.create_task(Actor(run).sent_and_answered(CALL))
    await asyncio.sleep(0)
    waited_before = run.idling.only_waits

    sent.set()
    for _ in range(3):
        await asyncio.sleep(0)

    assert (waited_before, run.idling.only_waits) == (False, True)
    calling.cancel()
