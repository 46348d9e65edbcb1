"""A run that only waits is dropped from memory, and goes on when an answer comes, whenever that is."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from towpath import Context, function, workflow
from towpath.engine.live_run import LiveRun
from towpath.runtime import run_host
from towpath.runtime.run_host import RunHost, _Held
from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_schemas.journal import CallSettled, RunResumed, RunSuspended
from towpath_schemas.requests import SignalRequested
from towpath_schemas.streams import INBOX, ROUTER_INBOX, RUNS, Stream, runner_consumer
from towpath_testkit.asking import ask
from towpath_testkit.builders import SERVICE, answered
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

KEY = "task:slow#0"


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_host, "_LOOK_EVERY_S", 0.02)


def slow_workflow(release: asyncio.Event) -> list[str]:
    """Register a workflow that waits for a function that waits for `release`; return what it executes."""
    executed: list[str] = []

    async def prepare() -> None:
        executed.append("prepare")

    @function(retries=1)
    async def slow() -> str:
        executed.append("slow")
        await release.wait()
        return "late"

    @workflow
    async def wait(ctx: Context) -> str:
        await ctx.step("prepare", prepare)
        return await ctx.task(slow)

    return executed


async def test_a_run_that_waits_is_dropped_and_its_answer_wakes_it(towpath: Platform) -> None:
    release = asyncio.Event()
    executed = slow_workflow(release)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("wait")
    suspended = await towpath.until(run_id, RunSuspended)
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    release.set()
    finished = await towpath.finished(run_id)

    assert [record.waiting_for for record in suspended if isinstance(record, RunSuspended)] == [(KEY,)]
    assert finished.result == "late"
    assert executed == ["prepare", "slow"]
    records = await towpath.journal(run_id)
    assert sum(isinstance(record, RunSuspended) for record in records) == 1, "it was dropped at once"
    assert any(isinstance(record, RunResumed) for record in records)


async def test_a_run_is_not_dropped_while_a_branch_does_something_of_its_own(towpath: Platform) -> None:
    reads = asyncio.Event()
    arrived = asyncio.get_running_loop().create_future()

    @workflow
    async def beside(ctx: Context) -> Any:
        async def branch() -> Any:
            reads.set()
            return await ctx.step("store", str, await arrived)

        return await asyncio.gather(branch(), ctx.signal("go"))

    @workflow
    async def alone(ctx: Context) -> Any:
        return await ctx.signal("go")

    await towpath.all(suspend_after_s=0.1)
    run_id = await towpath.start("beside")
    await reads.wait()
    await towpath.until(await towpath.start("alone"), RunSuspended)
    arrived.set_result("parsed")
    await towpath.until(run_id, RunSuspended)

    kinds = [record.kind for record in await towpath.journal(run_id)]

    assert kinds.index("step.settled") < kinds.index("run.suspended")


async def test_nothing_of_a_run_is_left_in_the_streams_after_its_end(towpath: Platform) -> None:
    release = asyncio.Event()
    slow_workflow(release)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("wait")
    await towpath.until(run_id, RunSuspended)
    release.set()
    await towpath.finished(run_id)

    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    await settled(towpath.js, INBOX, ROUTER_INBOX)
    await until(lambda: messages_in(towpath.js, RUNS), lambda count: count == 0)
    await until(lambda: messages_in(towpath.js, INBOX), lambda count: count == 0)


async def test_an_answer_that_is_being_written_when_the_run_would_be_dropped_is_not_lost(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is on its way into the journal; then the run is suspended; then the answer is written."""
    release = asyncio.Event()
    slow_workflow(release)
    suspending = asyncio.Event()
    append = LiveRun.append

    async def in_this_order(run: LiveRun, record: Any) -> Any:
        if isinstance(record, CallSettled):
            await suspending.wait()
        if isinstance(record, RunSuspended):
            suspending.set()
        return await append(run, record)

    monkeypatch.setattr(LiveRun, "append", in_this_order)
    release.set()
    await towpath.all(suspend_after_s=0.1)

    finished = await towpath.run("wait")

    assert suspending.is_set()
    assert finished.result == "late"


def answer_while_suspending(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch, *, then: Callable[[LiveRun], None] = lambda _run: None
) -> None:
    """Register `wait`, whose answer comes while its first suspension is on its way into the journal."""
    release = asyncio.Event()
    slow_workflow(release)
    append = LiveRun.append

    async def in_this_order(run: LiveRun, record: Any) -> Any:
        if isinstance(record, RunSuspended) and not release.is_set():
            release.set()
            await until(lambda: messages_in(towpath.js, INBOX), lambda count: count > 0)
            then(run)
        return await append(run, record)

    monkeypatch.setattr(LiveRun, "append", in_this_order)


async def test_an_answer_that_comes_while_the_run_is_being_dropped_is_not_lost(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The suspension is on its way into the journal; then the answer comes; then the suspension is written."""
    answer_while_suspending(towpath, monkeypatch)
    await towpath.all(suspend_after_s=0.1)

    finished = await towpath.run("wait")

    assert finished.result == "late"


async def test_an_answer_between_the_decision_to_drop_a_run_and_its_deed_is_not_lost(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run counts as idle; then it is given an answer and goes on; then its suspension is written."""
    began, go_on = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        began.set()
        await go_on.wait()

    @workflow
    async def wait(ctx: Context) -> str:
        said = await ctx.task("elsewhere", "slow")
        await ctx.step("work", work)
        return said

    make_unreachable = RunHost._make_unreachable

    async def late(host: RunHost, held: _Held) -> None:
        if held.suspending:
            await held.run.take(answered(KEY, "in time", run_id=held.run.run_id))
            await began.wait()
        await make_unreachable(host, held)

    monkeypatch.setattr(RunHost, "_make_unreachable", late)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("wait")
    await towpath.until(run_id, RunSuspended)
    go_on.set()
    finished = await towpath.finished(run_id)

    assert finished.result == "in time"


async def test_a_run_whose_code_catches_everything_is_dropped_all_the_same_and_goes_on(
    towpath: Platform,
) -> None:
    @workflow
    async def listens(ctx: Context) -> Any:
        while True:
            try:
                return await ctx.signal("event")
            except BaseException:  # noqa: BLE001, S112 - what is tested
                continue

    @workflow
    async def neighbour(ctx: Context) -> int:
        return await ctx.step("one", lambda: 1)

    await towpath.all()
    run_id = await towpath.start("listens")
    await towpath.until(run_id, RunSuspended)

    assert (await towpath.run("neighbour")).result == 1
    await ask(towpath.js, "signal", run_id, SignalRequested(name="event", payload="paid"))
    assert (await towpath.finished(run_id)).result == "paid"


async def test_a_run_that_is_resumed_is_kept_though_the_broker_does_not_answer_what_it_is_asked_then(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What brought it here may be acknowledged by another: given back, it would be nobody's."""
    unanswered = fail_once(monkeypatch, "delete")
    release = asyncio.Event()
    slow_workflow(release)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("wait")
    await towpath.until(run_id, RunSuspended)
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    release.set()
    finished = await towpath.finished(run_id)

    assert finished.result == "late"
    assert unanswered == [INBOX.name]
    assert sum(isinstance(record, RunResumed) for record in await towpath.journal(run_id)) == 1


async def test_a_run_that_is_not_dropped_after_all_reads_what_came_for_it_when_the_broker_answers_again(
    towpath: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Any] = []

    def move(run: LiveRun) -> None:
        run.moves += 1
        moved.append(fail_once(monkeypatch, "following"))

    answer_while_suspending(towpath, monkeypatch, then=move)
    await towpath.all(suspend_after_s=0.1)

    run_id = await towpath.start("wait")
    finished = await towpath.finished(run_id)

    assert finished.result == "late"
    assert moved[0] == [INBOX.name]
    assert sum(isinstance(record, RunSuspended) for record in await towpath.journal(run_id)) == 1


def fail_once(monkeypatch: pytest.MonkeyPatch, method: str) -> list[str]:
    """Have the broker not answer the first time that it is asked for this about the inbox; list what was not answered."""
    unanswered: list[str] = []
    original = getattr(JetStream, method)

    async def asked(js: JetStream, stream: Stream, *about: Any, **how: Any) -> Any:
        if stream is INBOX and not unanswered:
            unanswered.append(stream.name)
            raise UnconfirmedError("no answer")
        return await original(js, stream, *about, **how)

    monkeypatch.setattr(JetStream, method, asked)
    return unanswered
