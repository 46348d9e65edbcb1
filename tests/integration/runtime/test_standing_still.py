"""Runners stand still and go on, when others have taken over what was theirs: they take nothing away from those."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.runtime import tool_host
from towpath.runtime.run_host import RunHost
from towpath.runtime.tool_host import ToolHost
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import claim, read_journal
from towpath_chassis.messages import Message
from towpath_schemas.journal import CallSettled, JournalRecord, RunResumed, RunSuspended
from towpath_schemas.requests import SignalRequested
from towpath_schemas.streams import RUNS, runner_consumer
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, answered
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until, until_so
from towpath_testkit.takeovers import ThreeSteps, dispatch_again, next_dispatch, taken_or_held

pytestmark = pytest.mark.live

ACK_WAIT_S = 1.0

OnCall = Callable[[ToolHost, Message], Awaitable[None]]


async def test_a_zombie_writes_nothing_and_does_not_take_the_message_away(
    towpath: Platform, stage: ThreeSteps
) -> None:
    await towpath.router()
    zombie = await towpath.agent_runner(capacity=1)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    owner = await towpath.agent_runner()
    await dispatch_again(towpath, run_id)
    finished = await towpath.finished(run_id)
    before = await towpath.journal(run_id)
    stage.go_on.set()
    await owner.stop()
    await zombie.stop()

    assert finished.result == ["first", "second 2", "third"]
    assert stage.executed == ["first", "second", "second", "third"]
    assert await towpath.journal(run_id) == before
    assert await messages_in(towpath.js, RUNS) == 1, (
        "the start is not acknowledged: its owner did not end the run"
    )
    assert owner.settings.instance in {one.runner for one in before if isinstance(one, RunResumed)}


async def test_a_zombie_that_is_given_its_run_once_more_takes_it_instead_of_saying_that_it_has_it(
    towpath: Platform, stage: ThreeSteps
) -> None:
    await towpath.router()
    await towpath.agent_runner(ack_wait_s=600)
    run_id = await towpath.start("three")
    await stage.reached.wait()

    await claim(towpath.js, run_id, "one that died at once", epoch=2)
    await dispatch_again(towpath, run_id)

    assert (await towpath.finished(run_id)).result == ["first", "second 2", "third"]


@pytest.mark.parametrize(
    "said", [b"", answered("task:of-the-other#0", 1).to_body()], ids=["question", "answer"]
)
async def test_a_zombie_takes_nothing_away_from_whoever_has_the_run_by_now(
    towpath: Platform, stage: ThreeSteps, said: bytes
) -> None:
    await towpath.router()
    await towpath.agent_runner(capacity=1)
    run_id = await towpath.start("three")
    await stage.reached.wait()
    await until(lambda: taken_or_held(towpath, run_id), bool)

    await claim(towpath.js, run_id, "another", epoch=2)

    assert not await taken_or_held(towpath, run_id, said)


async def test_who_gets_a_dispatch_late_does_not_acknowledge_what_another_holds_the_run_by(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood still for so long that the broker gave the message to another, who dies later."""
    begun: list[str] = []
    given: list[Message] = []
    go_on, was_late = asyncio.Event(), asyncio.Event()
    on_dispatch = RunHost.on_dispatch

    async def work() -> int:
        begun.append("work")
        if len(begun) == 1:
            await asyncio.Event().wait()
        return len(begun)

    @workflow
    async def both(ctx: Context) -> int:
        _, count = await asyncio.gather(ctx.signal("go"), ctx.step("work", work))
        return count

    async def stand_still_at_first(host: RunHost, message: Message) -> None:
        given.append(message)
        if len(given) > 1:
            await on_dispatch(host, message)
            return
        await towpath.js.nats.publish(message.reply, b"-NAK")
        await go_on.wait()
        try:
            await on_dispatch(host, message)
        finally:
            was_late.set()

    monkeypatch.setattr(RunHost, "on_dispatch", stand_still_at_first)
    await towpath.router(lost_after_s=1.5)
    late = await towpath.agent_runner(capacity=1, ack_wait_s=600)
    run_id = await towpath.start("both")
    await until_so(lambda: len(given) == 1)
    other = await towpath.agent_runner(ack_wait_s=600)
    await until_so(lambda: len(begun) == 1)
    await ask(towpath.js, "signal", run_id, SignalRequested(name="go"))
    await towpath.until(run_id, CallSettled)

    go_on.set()
    await was_late.wait()
    await late.stop()
    await other.crash()
    await towpath.agent_runner(ack_wait_s=600)

    assert (await towpath.finished(run_id)).result == 2


async def test_a_run_is_not_lost_with_the_message_of_whoever_had_suspended_it(towpath: Platform) -> None:
    """Who suspended it may acknowledge late what brought it to another, who dies: no message would tell of the run."""
    began: list[asyncio.Event] = []

    async def work() -> int:
        began.append(asyncio.Event())
        if len(began) == 1:
            await began[0].wait()
        return len(began)

    @workflow
    async def one(ctx: Context) -> int:
        await ctx.signal("go")
        return await ctx.step("work", work)

    await towpath.router(lost_after_s=1.5)
    slow = await towpath.agent_runner()
    run_id = await towpath.start("one")
    await towpath.until(run_id, RunSuspended)
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    await slow.stop()

    await dispatch_again(towpath, run_id)
    had_by_slow = await next_dispatch(towpath)
    await towpath.js.nats.publish(had_by_slow.reply, b"-NAK")  # as if it had not been heard of for long
    other = await towpath.agent_runner()
    await towpath.until(run_id, RunResumed)
    await towpath.js.nats.publish(had_by_slow.reply, b"+ACK")
    await ask(towpath.js, "signal", run_id, SignalRequested(name="go"))
    await until_so(lambda: len(began) == 1)
    await other.crash()
    await towpath.agent_runner()

    assert (await towpath.finished(run_id)).result == 2


async def passed(part: float) -> None:
    """Wait until a part of `ack_wait_s` and a little more has passed."""
    until = time.monotonic() + 1.1 * part * ACK_WAIT_S
    await until_so(lambda: time.monotonic() > until)


class OneCall:
    """A run that makes one call, which the broker gives to another tool-runner although the first has it."""

    def __init__(self, js: JetStream) -> None:
        self._js = js
        self.executed: list[str] = []
        self.go_on, self.was_late = asyncio.Event(), asyncio.Event()

        @function
        async def pay() -> str:
            self.executed.append("pay")
            return "paid"

        @workflow
        async def order(ctx: Context) -> Any:
            return await ctx.task(pay)

    def lost_by(self, on_call: OnCall, stands_still: Callable[[], Awaitable[Any]]) -> OnCall:
        """Make of how a call is handled one by which the first who has it loses it, and stands still."""

        async def lose_at_first(host: ToolHost, message: Message) -> None:
            if message.metadata.num_delivered > 1:
                await on_call(host, message)
                return
            await self._js.nats.publish(message.reply, b"-NAK")  # as if it had not been heard of for long
            await stands_still()
            await on_call(host, message)
            self.was_late.set()

        return lose_at_first

    async def is_late(self) -> None:
        """Let who has lost the call go on, and wait until it has handled it."""
        await passed(tool_host.OUTDATED)
        self.go_on.set()
        await self.was_late.wait()


async def test_a_tool_runner_whose_look_took_long_looks_again_whether_another_has_executed_the_call(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, looks = OneCall(towpath.js), list[str]()

    async def hear_late_at_first(js: JetStream, run_id: str) -> list[tuple[int, JournalRecord]]:
        found = await read_journal(js, run_id)
        looks.append(run_id)
        if len(looks) == 1:
            await call.go_on.wait()
        return found

    late = partial(passed, tool_host._LATE)
    monkeypatch.setattr(ToolHost, "on_call", call.lost_by(ToolHost.on_call, late))
    monkeypatch.setattr(tool_host, "read_journal", hear_late_at_first)
    await asyncio.gather(towpath.router(), towpath.agent_runner())
    await towpath.tool_runner(capacity=1, ack_wait_s=ACK_WAIT_S)
    run_id = await towpath.start("order")
    await until_so(lambda: len(looks) == 1)
    await towpath.tool_runner(ack_wait_s=ACK_WAIT_S)
    await towpath.finished(run_id)
    await call.is_late()

    assert call.executed == ["pay"]


async def test_a_tool_runner_that_stood_still_does_not_execute_what_another_has_executed_meanwhile(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    call, stood_still = OneCall(towpath.js), asyncio.Event()

    async def stand_still() -> None:
        stood_still.set()
        await call.go_on.wait()

    monkeypatch.setattr(ToolHost, "on_call", call.lost_by(ToolHost.on_call, stand_still))
    await asyncio.gather(towpath.router(), towpath.agent_runner())
    await towpath.tool_runner(capacity=1, ack_wait_s=ACK_WAIT_S)
    run_id = await towpath.start("order")
    await stood_still.wait()
    await towpath.tool_runner(ack_wait_s=ACK_WAIT_S)
    finished = await towpath.finished(run_id)
    await passed(tool_host._LATE)
    await call.is_late()

    assert finished.result == "paid"
    assert call.executed == ["pay"]
