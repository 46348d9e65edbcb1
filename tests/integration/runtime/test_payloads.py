"""Large values go where small ones go: into runs, steps, calls and children and back; what is lost ends a run, once."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from towpath import Client, Context, function, workflow
from towpath.errors import ComponentError
from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import salvage_journal
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import SignalSent
from towpath_schemas.journal import RunFinished, RunSuspended
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.streams import DEAD, JOURNAL, PAYLOADS, RUNS, runner_consumer
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.settled import messages_in, settled, until
from towpath_testkit.takeovers import dispatch_again

pytestmark = pytest.mark.live

LARGE = "0123456789" * 500_000
"""5 MB."""


async def test_an_input_a_result_of_a_step_a_call_and_its_arguments_may_be_large(towpath: Platform) -> None:
    @function
    def double(text: str) -> str:
        return text + text

    @workflow
    async def grow(ctx: Context, text: str) -> list[int]:
        stepped = await ctx.step("reverse", lambda: text[::-1])
        called = await ctx.task(double, input={"text": stepped})
        return [len(text), stepped == text[::-1], len(called)]

    await towpath.all()

    finished = await towpath.run("grow", {"text": LARGE})

    assert finished.result == [5_000_000, True, 10_000_000]
    assert await messages_in(towpath.js, DEAD) == 0


async def test_a_large_result_is_what_whoever_started_the_run_gets(towpath: Platform) -> None:
    @workflow
    async def much(ctx: Context) -> str:
        return LARGE

    await towpath.all()
    async with Client.over(towpath.js) as client:
        assert await client.run("much") == LARGE


async def test_what_passes_between_a_parent_and_its_child_may_be_large(towpath: Platform) -> None:
    @workflow
    async def child(ctx: Context, text: str) -> str:
        return text[::-1]

    @workflow
    async def parent(ctx: Context) -> bool:
        return await ctx.spawn(child, LARGE).result() == LARGE[::-1]

    await towpath.all()

    assert (await towpath.run("parent")).result is True


async def test_a_large_signal_reaches_a_run_that_is_held_and_one_that_is_not(towpath: Platform) -> None:
    payload = LARGE[:2_000_000]

    @workflow
    async def hear(ctx: Context) -> list[bool]:
        return [await ctx.signal("one") == payload, await ctx.signal("two") == payload]

    await towpath.all()
    run_id = await towpath.start("hear")
    for name in ("one", "two"):
        sent = SignalSent(
            signal_id=name,
            run_id=run_id,
            name=name,
            payload=payload,
            attribution=Attribution(tenant=TENANT),
        )
        await keep(towpath.js, sent)

    assert (await towpath.finished(run_id)).result == [True, True]


async def test_a_large_chunk_is_streamed_among_small_ones(towpath: Platform) -> None:
    @function
    async def stream() -> AsyncGenerator[str]:
        yield "small"
        yield LARGE
        yield "small again"

    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("stream")
        chunks = [chunk.value async for chunk in client.stream(run_id)]

    assert chunks == ["small", LARGE, "small again"]


async def test_a_run_of_many_large_results_is_replayed_by_the_next_runner(towpath: Platform) -> None:
    executed: list[int] = []
    reached, go_on = asyncio.Event(), asyncio.Event()

    def much(number: int) -> str:
        executed.append(number)
        return f"{number}" + LARGE

    @workflow
    async def many(ctx: Context) -> list[str]:
        results = [await ctx.step(f"much-{number}", much, number) for number in range(10)]
        if not reached.is_set():
            reached.set()
            await go_on.wait()
        return [result[:1] for result in results if result[1:] == LARGE]

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("many")
    await reached.wait()

    await first.crash()
    await towpath.agent_runner()

    assert (await towpath.finished(run_id)).result == list("0123456789")
    assert executed == list(range(10))


async def test_steps_at_once_are_learned_in_their_order_however_large_each_is(towpath: Platform) -> None:
    """What is large takes longer to be stored: the end of the run is stored behind all of it."""

    @workflow
    async def both(ctx: Context) -> list[int]:
        found = await asyncio.gather(
            ctx.step("large", lambda: LARGE), ctx.step("small", lambda: "s"), ctx.step("wide", lambda: LARGE)
        )
        return [len(one) for one in found]

    await towpath.all()

    run_id = await towpath.start("both")
    assert (await towpath.finished(run_id)).result == [5_000_000, 1, 5_000_000]

    newest = await towpath.js.last(JOURNAL, subjects.journal_of(run_id))
    assert newest is not None
    assert RunFinished.from_body(newest.body).end == "completed"


# --- What is too large, and what is lost ----------------------------------------------------------------


async def test_code_may_go_on_after_a_result_that_is_too_large(towpath: Platform) -> None:
    tried: list[int] = []

    def much() -> str:
        tried.append(1)
        return "x" * MAX_PAYLOAD_BYTES

    @function
    def refused() -> str:
        return "x" * MAX_PAYLOAD_BYTES

    @workflow
    async def careful(ctx: Context) -> list[str]:
        said: list[str] = []
        for act in (ctx.step("much", much), ctx.task(refused)):
            try:
                await act
            except ComponentError as error:
                said.append(error.failure.message)
        return said

    await towpath.all()

    finished = await towpath.run("careful")

    limit = "bytes; the limit is 67,108,864; keep large values elsewhere and pass their place"
    assert [message.endswith(limit) for message in finished.result] == [True, True]
    assert finished.result[0].startswith("the result of step 'much#0' has 67,108,")
    assert finished.result[1].startswith("the result of 'refused' has 67,109,")
    assert tried == [1]


async def test_a_run_whose_journal_has_lost_a_payload_fails_once_and_says_which(towpath: Platform) -> None:
    reached = asyncio.Event()

    @workflow
    async def wait(ctx: Context) -> Any:
        await ctx.step("much", lambda: LARGE)
        reached.set()
        return await ctx.signal("never")

    await towpath.router(lost_after_s=1.5)
    first = await towpath.agent_runner()
    run_id = await towpath.start("wait")
    await reached.wait()
    await towpath.until(run_id, RunSuspended)
    await first.crash()
    await lose_payloads(towpath.js, run_id)

    await towpath.agent_runner()
    await dispatch_again(towpath, run_id)

    ended = await until(
        lambda: salvage_journal(towpath.js, run_id), lambda found: _finished(found) is not None
    )
    finished = _finished(ended)
    assert finished is not None
    assert (finished.end, finished.failure and finished.failure.code) == ("failed", "payload_missing")
    assert finished.failure is not None
    assert "entry 1 of run" in finished.failure.message
    assert "is missing" in finished.failure.message
    await settled(towpath.js, RUNS, runner_consumer(SERVICE))
    assert await messages_in(towpath.js, DEAD) == 0


async def test_a_result_that_is_lost_is_told_and_not_waited_for(towpath: Platform) -> None:
    @workflow
    async def much(ctx: Context) -> str:
        return LARGE

    await towpath.all()
    run_id = await towpath.start("much")
    await towpath.finished(run_id)
    await lose_payloads(towpath.js, run_id)

    async with Client.over(towpath.js) as client:
        with pytest.raises(ComponentError, match="is missing") as raised:
            await client.result(run_id, 5)

    assert raised.value.failure.code == "payload_missing"


async def lose_payloads(js: JetStream, run_id: str) -> None:
    await js.purge(PAYLOADS, subjects.payloads_of(run_id))


def _finished(entries: list[tuple[int, Any]]) -> RunFinished | None:
    return next((record for _, record in entries if isinstance(record, RunFinished)), None)
