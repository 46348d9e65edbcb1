"""Functions on the platform: they stream, are tried again, are kept alive however long they take, and end in DEAD."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from towpath import Client, ComponentError, Context, UnknownRunError, function, workflow
from towpath.client import Chunk
from towpath_schemas import identity, subjects
from towpath_schemas.dead import DeadLetter
from towpath_schemas.journal import CallSettled
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES
from towpath_schemas.runs import ChunkStreamed
from towpath_schemas.streams import DEAD, OUTPUT, TOOLS, tools_consumer
from towpath_testkit.builders import SERVICE
from towpath_testkit.hosting import Platform
from towpath_testkit.servers import Servers
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live


class Stream:
    """A function of five chunks, which waits after the third the first time it runs, and a workflow that calls it."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()

        @function
        async def letters(prefix: str) -> AsyncGenerator[str]:
            for number in range(5):
                self.made.append(number)
                yield f"{prefix}{number}"
                if number == 2 and self.made.count(2) == 1:
                    self.reached.set()
                    await self.go_on.wait()

        @workflow
        async def write(ctx: Context) -> list[str]:
            return await ctx.task(letters, input={"prefix": "a"})


@pytest.fixture
def stream() -> Stream:
    return Stream()


WHOLE = ["a0", "a1", "a2", "a3", "a4"]


async def first(client: Client, run_id: str, count: int, *, since: int = 0) -> list[Chunk]:
    """Follow a run until `count` chunks have come, then drop."""
    got: list[Chunk] = []
    following = client.stream(run_id, since=since)
    async for chunk in following:
        got.append(chunk)
        if len(got) == count:
            break
    await following.aclose()
    return got


async def values(client: Client, run_id: str, *, since: int = 0) -> list[Any]:
    async with asyncio.timeout(20):
        return [chunk.value async for chunk in client.stream(run_id, since=since)]


# --- Streaming --------------------------------------------------------------------------------------


async def test_chunks_arrive_while_the_function_still_runs_and_the_result_is_their_list(
    towpath: Platform, stream: Stream
) -> None:
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")

        early = await first(client, run_id, 3)

        assert [chunk.value for chunk in early] == WHOLE[:3]
        assert [(chunk.index, chunk.key) for chunk in early] == [(n, "task:letters#0") for n in range(3)]
        stream.go_on.set()
        assert (await towpath.finished(run_id)).result == WHOLE


async def test_a_follower_that_dropped_goes_on_behind_the_chunk_it_had(
    towpath: Platform, stream: Stream
) -> None:
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")
        had = await first(client, run_id, 2)
        stream.go_on.set()

        rest = await values(client, run_id, since=had[-1].position)

        assert [chunk.value for chunk in had] + rest == WHOLE
        assert await values(client, run_id) == WHOLE


async def test_a_call_whose_runner_died_is_streamed_on_without_a_chunk_twice(
    towpath: Platform, stream: Stream
) -> None:
    await asyncio.gather(towpath.router(), towpath.agent_runner())
    dying = await towpath.tool_runner(ack_wait_s=0.5)
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")
        following = asyncio.create_task(values(client, run_id))
        await stream.reached.wait()

        await dying.crash()
        await towpath.tool_runner(ack_wait_s=0.5)

        assert await following == WHOLE
        assert (await towpath.finished(run_id)).result == WHOLE
    assert stream.made == [0, 1, 2, 0, 1, 2, 3, 4]
    assert [told.index for told in await chunks_in_output(towpath, run_id)] == [0, 1, 2, 3, 4]


async def chunks_in_output(towpath: Platform, run_id: str) -> list[ChunkStreamed]:
    """Read what any NATS client can: the chunks as they stand in the stream."""
    kept = await towpath.js.following(OUTPUT, subjects.output(run_id), start=1)
    chunks = [one for one in kept if one.headers["ce-type"].endswith("ChunkStreamed.v1")]
    call_id = identity.call_id(run_id, "task:letters#0")
    assert [one.headers["Nats-Msg-Id"] for one in chunks] == [
        identity.chunk_id(call_id, n) for n in range(len(chunks))
    ]
    return [ChunkStreamed.from_body(one.body) for one in chunks]


async def test_chunks_that_are_told_again_after_the_broker_forgot_their_ids_come_once(
    towpath: Platform, stream: Stream
) -> None:
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")
        had = await first(client, run_id, 3)
        await stream.reached.wait()

        again = ChunkStreamed(run_id=run_id, key="task:letters#0", index=1, chunk="a1")
        await towpath.js.publish(subjects.output(run_id), again.to_body())
        stream.go_on.set()

        assert await values(client, run_id, since=had[-1].position) == WHOLE[3:]


async def test_a_follower_gets_the_rest_after_the_broker_was_killed_with_all_it_had_in_memory(
    broker: Servers, towpath: Platform, stream: Stream
) -> None:
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")
        following = client.stream(run_id)
        got = [(await anext(following)).value for _ in range(3)]

        await broker.nats.kill()
        await broker.nats.start()
        stream.go_on.set()

        async with asyncio.timeout(30):
            got += [chunk.value async for chunk in following]
        assert got == WHOLE
        assert (await towpath.finished(run_id)).result == WHOLE


async def test_a_place_from_before_the_broker_was_killed_hides_nothing_that_came_after(
    broker: Servers, towpath: Platform, stream: Stream
) -> None:
    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("write")
        had = await first(client, run_id, 3)

        await broker.nats.kill()
        await broker.nats.start()
        stream.go_on.set()
        await towpath.finished(run_id)

        assert await values(client, run_id, since=had[-1].position) == WHOLE[3:]


async def test_an_attempt_that_failed_halfway_is_followed_by_one_whose_first_chunks_are_known(
    towpath: Platform,
) -> None:
    attempts: list[int] = []

    @function(retries=2, backoff={"type": "constant", "initial_interval_ms": 1})
    def halves(ctx: Context) -> Iterator[int]:
        attempts.append(ctx.attempt)
        yield 1
        if ctx.attempt == 1:
            raise ConnectionError("gone")
        yield 2

    @workflow
    async def call(ctx: Context) -> list[int]:
        return await ctx.task(halves)

    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("call")

        assert await values(client, run_id) == [1, 2]
        assert ((await towpath.finished(run_id)).result, attempts) == ([1, 2], [1, 2])


async def test_what_an_attempt_says_otherwise_takes_the_place_of_what_was_told_before(
    towpath: Platform,
) -> None:
    @function(retries=2, backoff={"type": "constant", "initial_interval_ms": 1})
    def letters(ctx: Context) -> Iterator[str]:
        yield from "abc" if ctx.attempt == 1 else "aB"
        if ctx.attempt == 1:
            raise ConnectionError("gone")

    @workflow
    async def call(ctx: Context) -> list[str]:
        return await ctx.task(letters)

    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("call")
        chunks = [chunk async for chunk in client.stream(run_id)]

    assert [(one.index, one.value, one.attempt) for one in chunks] == [
        (0, "a", 1),
        (1, "b", 1),
        (2, "c", 1),
        (1, "B", 2),
    ]


async def test_two_calls_of_one_run_are_told_apart(towpath: Platform) -> None:
    @function
    async def count(start: int) -> AsyncGenerator[int]:
        for number in range(start, start + 3):
            yield number

    @workflow
    async def both(ctx: Context) -> list[list[int]]:
        return await ctx.parallel(ctx.task(count, input=0), ctx.task(count, input=10))

    await towpath.all()
    async with Client.over(towpath.js) as client:
        run_id = await client.start("both")
        await towpath.finished(run_id)

        chunks = [chunk async for chunk in client.stream(run_id)]

        by_call: dict[str | None, list[int]] = {}
        for chunk in chunks:
            by_call.setdefault(chunk.key, []).append(chunk.value)
        assert sorted(by_call.values()) == [[0, 1, 2], [10, 11, 12]]


async def test_a_follower_of_a_run_that_fails_is_told_so_after_the_last_chunk(towpath: Platform) -> None:
    @function(retries=1)
    async def breaks() -> AsyncGenerator[int]:
        yield 1
        raise ValueError("no more")

    @workflow
    async def call(ctx: Context) -> list[int]:
        return await ctx.task(breaks)

    await towpath.all()
    async with Client.over(towpath.js) as client:
        following = client.stream(await client.start("call"))

        assert (await anext(following)).value == 1
        with pytest.raises(ComponentError, match="no more"):
            await anext(following)


async def test_a_run_that_is_not_there_cannot_be_followed(towpath: Platform) -> None:
    async with Client.over(towpath.js) as client:
        with pytest.raises(UnknownRunError):
            await anext(client.stream("nobody"))


async def test_a_chunk_that_is_too_large_to_travel_fails_the_call_with_the_limit(towpath: Platform) -> None:
    @function
    async def huge() -> AsyncGenerator[str]:
        yield "x" * MAX_PAYLOAD_BYTES

    @workflow
    async def call(ctx: Context) -> Any:
        return await ctx.task(huge)

    await towpath.all()

    finished = await towpath.run("call")

    assert finished.failure is not None
    assert finished.failure.code == "payload_too_large"
    assert finished.failure.message.startswith("chunk 0 has 67,")
    assert f"bytes; the limit is {MAX_PAYLOAD_BYTES:,}" in finished.failure.message


# --- Kept alive, tried again, given up ----------------------------------------------------------------


async def test_a_call_that_takes_longer_than_the_broker_waits_is_executed_once(towpath: Platform) -> None:
    executed: list[int] = []
    ack_wait_s = 0.5

    @function
    async def slow() -> str:
        executed.append(1)
        await asyncio.sleep(4 * ack_wait_s)  # the time that passes is what this is about
        return "done"

    @workflow
    async def call(ctx: Context) -> str:
        return await ctx.task(slow)

    await asyncio.gather(towpath.router(), towpath.agent_runner())
    await asyncio.gather(*(towpath.tool_runner(ack_wait_s=ack_wait_s) for _ in range(2)))

    finished = await towpath.run("call")

    assert (finished.result, executed) == ("done", [1])
    assert (await settled(towpath.js, TOOLS, tools_consumer(SERVICE)))["num_redelivered"] == 0


class BusyError(Exception):
    retry_after = 0.3


async def test_a_call_waits_as_long_as_the_error_asks_and_says_how_often_it_was_tried(
    towpath: Platform,
) -> None:
    at: list[float] = []

    @function(retries={"max_attempts": 3, "initial_interval_ms": 1})
    def busy(ctx: Context) -> int:
        at.append(time.monotonic())
        if ctx.attempt < 3:
            raise BusyError
        return ctx.attempt

    @workflow
    async def call(ctx: Context) -> int:
        return await ctx.task(busy)

    await towpath.all()

    run_id = await towpath.start("call")

    assert (await towpath.finished(run_id)).result == 3
    assert min(later - earlier for earlier, later in pairwise(at)) >= BusyError.retry_after
    settled_call = [one for one in await towpath.journal(run_id) if isinstance(one, CallSettled)]
    assert [one.attempts for one in settled_call] == [3]


async def test_a_function_that_failed_for_good_is_kept_as_a_dead_letter_with_the_reason(
    towpath: Platform,
) -> None:
    @function(retries=2, backoff={"type": "constant", "initial_interval_ms": 1})
    def broken(order: str) -> None:
        raise LookupError(f"there is no order {order}")

    @workflow
    async def call(ctx: Context) -> str:
        try:
            await ctx.task(broken, input="o-1")
        except ComponentError as error:
            return error.failure.message
        return "well"

    await towpath.all()

    finished = await towpath.run("call")

    assert finished.result == "there is no order o-1"
    kept = await until(lambda: towpath.js.last(DEAD, "dead.v1.>"), lambda found: found is not None)
    assert kept is not None
    letter = DeadLetter.from_body(kept.body)
    assert (letter.stream, letter.reason, letter.attempts) == ("TOOLS", "there is no order o-1", 2)


async def test_a_function_knows_its_place_in_the_run(towpath: Platform) -> None:
    @function
    async def introspective(ctx: Context) -> dict[str, Any]:
        return {
            "run_id": ctx.run_id,
            "invocation_id": ctx.invocation_id,
            "step_id": ctx.step_id,
            "attempt": ctx.attempt,
            "component_type": ctx.component_type,
            "service": ctx.metadata["service_name"],
            "correlation": bool(ctx.metadata["correlation_id"]),
        }

    @workflow
    async def call(ctx: Context) -> dict[str, Any]:
        return await ctx.task(introspective)

    await towpath.all()

    run_id = await towpath.start("call")

    assert (await towpath.finished(run_id)).result == {
        "run_id": run_id,
        "invocation_id": run_id,
        "step_id": "task:introspective#0",
        "attempt": 1,
        "component_type": "function",
        "service": SERVICE,
        "correlation": True,
    }


ACTS: dict[str, Callable[[Context], Any]] = {
    "task of another service ('shop')": lambda ctx: ctx.task("shop", "other"),
    "spawn": lambda ctx: ctx.spawn("other"),
    "signal": lambda ctx: ctx.signal("paid"),
    "signal.emit": lambda ctx: ctx.signal.emit("paid"),
    "human.approval": lambda ctx: ctx.human.approval("pay", payload=1),
    "continue_as_new": lambda ctx: ctx.continue_as_new(1),
}


@pytest.mark.parametrize("act", ACTS)
async def test_what_only_a_run_can_do_is_refused_inside_a_call(towpath: Platform, act: str) -> None:
    @function
    async def asks(ctx: Context) -> Any:
        return await ACTS[act](ctx)

    @workflow
    async def call(ctx: Context) -> Any:
        return await ctx.task(asks)

    await towpath.all()

    finished = await towpath.run("call")

    assert finished.failure is not None
    assert finished.failure.message == f"asks: ctx.{act} is for workflows and agents; call it from there"
