"""Runners die, and so does the broker: what is finished is never done again."""

import asyncio
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.engine.live_run import LiveRun
from towpath.runtime.run_host import RunHost
from towpath_chassis.inbox import keep
from towpath_chassis.journal import newest_claim
from towpath_chassis.messages import Message
from towpath_chassis.streams import ensure_consumer
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import SignalSent
from towpath_schemas.journal import CallIntended, CallSettled, RunResumed, StepSettled
from towpath_schemas.requests import ControlRequested, SignalRequested
from towpath_schemas.streams import INBOX, RUNS, runner_consumer
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until, until_so
from towpath_testkit.takeovers import ThreeSteps, dispatch_again, next_dispatch

pytestmark = pytest.mark.live


async def test_a_runner_that_crashed_is_noticed_and_another_goes_on_where_it_was(
    towpath: Platform, stage: ThreeSteps
) -> None:
    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("three")
    await stage.reached.wait()

    await first.crash()
    second = await towpath.agent_runner()
    finished = await towpath.finished(run_id)

    assert finished.result == ["first", "second 2", "third"]
    assert stage.executed == ["first", "second", "second", "third"]
    resumed = [record for record in await towpath.journal(run_id) if isinstance(record, RunResumed)]
    assert [(record.runner, record.epoch) for record in resumed] == [(second.settings.instance, 2)]


async def test_a_run_that_is_being_taken_is_not_taken_by_another_dispatch_in_the_same_process(
    towpath: Platform,
) -> None:
    """What the first has begun, and not finished, would be begun once more."""
    begun: list[asyncio.Event] = []

    async def work() -> int:
        begun.append(asyncio.Event())
        await begun[-1].wait()
        return len(begun)

    @workflow
    async def one(ctx: Context) -> int:
        return await ctx.step("work", work)

    await towpath.router()
    first = await towpath.agent_runner(ack_wait_s=600)
    run_id = await towpath.start("one")
    await until_so(lambda: len(begun) == 1)
    await first.crash()
    asked: list[str] = []

    async def say_that_nobody_is_there(question: Message) -> None:
        """Answer as the broker does where nobody listens: whoever asks later, once the work has begun again."""
        asked.append(question.reply)
        if len(asked) > 1:
            await until_so(lambda: len(begun) > 1)
        else:
            await dispatch_again(towpath, run_id)
            await until(lambda: _delivered(towpath), lambda delivered: delivered == 3)
        await towpath.js.nats.publish(question.reply, headers={"Status": "503"})

    await towpath.js.subscribe(subjects.live(run_id), say_that_nobody_is_there)
    await dispatch_again(towpath, run_id)
    await towpath.agent_runner(ack_wait_s=600)
    await until(lambda: messages_in(towpath.js, RUNS), lambda count: count == 2)
    begun[-1].set()

    assert (await towpath.finished(run_id)).result == 2
    newest = await newest_claim(towpath.js, run_id)
    assert newest is not None
    assert newest.epoch == 2


def work_beside_a_signal() -> tuple[asyncio.Event, asyncio.Event]:
    """Register `both`, which waits for a signal and works; return what says that it is at work, and lets it go on."""
    at_work, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        at_work.set()
        await go_on.wait()

    @workflow
    async def both(ctx: Context) -> Any:
        told, _ = await asyncio.gather(ctx.signal("go"), ctx.step("work", work))
        return told

    return at_work, go_on


async def test_what_a_run_is_woken_for_reaches_it_whichever_runner_hears_of_it(towpath: Platform) -> None:
    at_work, go_on = work_beside_a_signal()

    router = await towpath.router()
    await towpath.agent_runner(capacity=1)
    run_id = await towpath.start("both")
    await at_work.wait()
    await towpath.until(run_id, CallIntended)
    await router.stop()
    await towpath.agent_runner()

    sent = SignalSent(
        signal_id="s-1", run_id=run_id, name="go", payload=1, attribution=Attribution(tenant=TENANT)
    )
    await keep(towpath.js, sent)
    await dispatch_again(towpath, run_id)
    settled_by = await towpath.until(run_id, CallSettled)
    go_on.set()

    assert [one for one in settled_by if isinstance(one, RunResumed)] == []
    assert (await towpath.finished(run_id)).result == 1


async def test_nothing_is_left_of_what_a_run_was_woken_for_when_it_ends_before_it_has_looked(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work, go_on = work_beside_a_signal()

    await towpath.router()
    await towpath.agent_runner(capacity=1)
    run_id = await towpath.start("both")
    await at_work.wait()
    await ask(towpath.js, "signal", run_id, SignalRequested(name="go"))
    await towpath.until(run_id, CallSettled)
    await towpath.agent_runner()

    async def not_taken(_host: RunHost, _run: LiveRun, _body: bytes) -> bool:
        return False

    async def look_late(_host: RunHost, _run: LiveRun) -> None:
        go_on.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(RunHost, "_take_event", not_taken)
    monkeypatch.setattr(RunHost, "_take_inbox", look_late)
    await ask(towpath.js, "pause", run_id, ControlRequested())

    assert (await towpath.finished(run_id)).end == "completed"
    await until(lambda: messages_in(towpath.js, INBOX), lambda count: count == 0)


async def _delivered(towpath: Platform) -> int:
    info = await towpath.js.api(f"CONSUMER.INFO.{RUNS.name}.{runner_consumer(SERVICE)}")
    return int(info["delivered"]["consumer_seq"])


async def test_a_runner_that_crashed_while_no_router_listened_is_found_out_by_the_next_router(
    towpath: Platform, stage: ThreeSteps
) -> None:
    router = await towpath.router()
    first = await towpath.agent_runner(ack_wait_s=600)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    await router.stop()
    await first.crash()
    await towpath.agent_runner(ack_wait_s=600)
    await towpath.router(lost_after_s=1.5)

    assert (await towpath.finished(run_id)).result == ["first", "second 2", "third"]


async def test_a_run_that_nobody_had_claimed_yet_is_recovered_too(
    towpath: Platform, stage: ThreeSteps
) -> None:
    stage.go_on.set()
    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    await first.crash()
    taken = await _taken_by_a_dead_process(towpath, "three")

    await towpath.agent_runner()

    assert (await towpath.finished(taken)).end == "completed"


async def _taken_by_a_dead_process(towpath: Platform, component: str) -> str:
    """Start a run, and take its dispatch from the broker as a runner that then does nothing."""
    run_id = await towpath.start(component)
    await next_dispatch(towpath)
    return run_id


async def test_a_runner_that_stops_in_order_gives_its_runs_back_at_once(
    towpath: Platform, stage: ThreeSteps
) -> None:
    await towpath.router()
    first = await towpath.agent_runner(drain_s=0.05)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    await first.stop()
    await towpath.agent_runner()
    finished = await towpath.finished(run_id, deadline_s=5)

    assert finished.result == ["first", "second 2", "third"]
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))


async def test_a_runner_that_stops_in_order_lets_what_is_nearly_done_finish(
    towpath: Platform, stage: ThreeSteps
) -> None:
    await towpath.router()
    first = await towpath.agent_runner(drain_s=10)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    stopping = asyncio.create_task(first.stop())
    stage.go_on.set()
    await stopping

    assert (await towpath.finished(run_id)).result == ["first", "second 1", "third"]
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))


async def test_a_redelivered_dispatch_of_a_run_that_is_held_is_not_acknowledged(
    towpath: Platform, stage: ThreeSteps
) -> None:
    """Else nobody would be told of the run if its runner died afterwards."""
    await towpath.router()
    await towpath.agent_runner(ack_wait_s=600)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    # the broker gives out what is under way once more, as it does when it has not heard of it for long
    await _impatient(towpath)
    name = runner_consumer(SERVICE)
    await until(
        lambda: towpath.js.api(f"CONSUMER.INFO.{RUNS.name}.{name}"), lambda said: said["num_redelivered"] > 0
    )
    await _patient(towpath)
    held = await messages_in(towpath.js, RUNS)
    stage.go_on.set()
    finished = await towpath.finished(run_id)

    assert held == 1
    assert finished.result == ["first", "second 1", "third"]


async def _impatient(towpath: Platform) -> None:
    await _ack_wait(towpath, 50_000_000)


async def _patient(towpath: Platform) -> None:
    await _ack_wait(towpath, 30_000_000_000)


async def _ack_wait(towpath: Platform, nanoseconds: int) -> None:
    await ensure_consumer(
        towpath.js,
        RUNS,
        runner_consumer(SERVICE),
        filter_subject=subjects.dispatches_of(SERVICE),
        ack_wait=nanoseconds,
        max_ack_pending=-1,
    )


async def test_a_broker_that_is_killed_while_a_run_is_under_way_delays_it_and_no_more(
    towpath: Platform, broker: Servers
) -> None:
    executed: list[str] = []
    in_the_tool, back = asyncio.Event(), asyncio.Event()

    def note(name: str) -> str:
        executed.append(name)
        return name

    @function(retries=1)
    async def pay() -> str:
        executed.append("pay")
        in_the_tool.set()
        await back.wait()
        return "paid"

    @workflow
    async def order(ctx: Context) -> list[str]:
        return [
            await ctx.step("before", note, "before"),
            await ctx.task(pay),
            await ctx.step("after", note, "after"),
        ]

    await towpath.all()
    run_id = await towpath.start("order")
    await in_the_tool.wait()

    await broker.nats.kill()
    back.set()
    await broker.nats.start()
    finished = await towpath.finished(run_id)

    assert finished.result == ["before", "paid", "after"], finished.failure
    assert executed == ["before", "pay", "after"]


async def test_a_broker_that_is_killed_again_and_again_loses_no_run(
    towpath: Platform, broker: Servers
) -> None:
    executed: list[tuple[int, int]] = []

    async def note(run: int, step: int) -> int:
        executed.append((run, step))
        return step

    @workflow
    async def steps(ctx: Context, run: int) -> int:
        return sum([await ctx.step("note", note, run, step) for step in range(40)])

    await towpath.all()
    ids = [await towpath.start("steps", {"run": run}) for run in range(10)]
    for _ in range(2):
        await broker.nats.restart()
    ends = [await towpath.finished(run_id) for run_id in ids]

    assert [end.result for end in ends] == [sum(range(40))] * 10
    assert len(executed) == len(set(executed)) == 400
    for run_id in ids:
        settled_keys = [one.key for one in await towpath.journal(run_id) if isinstance(one, StepSettled)]
        assert len(settled_keys) == len(set(settled_keys)) == 40


async def test_a_tool_runner_that_crashed_is_followed_by_one_that_repeats_only_what_may_be_repeated(
    towpath: Platform,
) -> None:
    calls: list[str] = []
    began = asyncio.Event()

    @function
    async def look_up() -> str:
        calls.append("look_up")
        return await once("look_up")

    @function(idempotent=False)
    async def pay() -> str:
        calls.append("pay")
        return await once("pay")

    async def once(name: str) -> str:
        if calls.count(name) == 1:
            if set(calls) == {"look_up", "pay"}:
                began.set()
            await asyncio.Event().wait()
        return name

    @workflow
    async def both(ctx: Context) -> None:
        await asyncio.gather(ctx.task(look_up), ctx.task(pay))

    await asyncio.gather(towpath.router(), towpath.agent_runner())
    first = await towpath.tool_runner(ack_wait_s=1)
    run_id = await towpath.start("both")
    await began.wait()

    await first.crash()
    await towpath.tool_runner(ack_wait_s=1)
    finished = await towpath.finished(run_id)

    assert finished.failure is not None
    assert finished.failure.code == "unknown_outcome"
    assert calls.count("pay") == 1
    settled_calls = {
        one.target: one.result for one in await towpath.journal(run_id) if isinstance(one, CallSettled)
    }
    assert settled_calls.get("look_up", "look_up") == "look_up"
