"""P6: writes to one hot entity and to a thousand, with what they cost in all processes, beside the floors of the same run.

A call goes as a run's call does: into the mailbox, to the entity store, to an agent-runner that executes the method, into
the log and to Redis, and back to who called. The floors are the two writes that each call makes, alone: one script in
Redis, and one compare-and-set append to JetStream. Durability: `standard`. `python tests/bench/entity_store.py 2000`
makes fewer calls.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from redis.asyncio import Redis

from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_chassis.service import connection
from towpath_testkit.entities import PlayedRun, played_run
from towpath_testkit.measure import Meter, quantiles_ms
from towpath_testkit.stage import Stage

APP = Path(__file__).with_name("work.py")
CALLS = 8_000
WARM_UP = 200
IDLE_S = 10.0
SCRIPT = """
local have = tonumber(redis.call('HGET', KEYS[1], 'number') or '0')
redis.call('HSET', KEYS[1], 'number', have + 1, 'value', ARGV[1])
return have
"""
FLOOR = {
    "name": "FLOOR",
    "subjects": ["floor.>"],
    "storage": "file",
    "max_msgs_per_subject": 1,
    "discard": "new",
    "discard_new_per_subject": True,
}
"""A stream of the kind of the journal."""
Call = Callable[[int, int], Awaitable[object]]
"""One call: of which caller, and the how manyth."""


class Bench:
    """One platform, and what is measured on it."""

    def __init__(self, stage: Stage) -> None:
        pids = {name: process.pid for name, process in stage.platform.services.items()}
        servers = {"nats": stage.servers.nats.pid, "redis": stage.servers.redis.pid}
        self._meter = Meter({**pids, **servers, "callers": os.getpid()})

    async def measure(self, name: str, call: Call, *, callers: int, calls: int, entities: int = 1) -> None:
        """Have `callers` call as fast as they are answered, and print what that gave; each entity is called before."""
        await _called(call, callers, max(WARM_UP, entities), [])
        took: list[float] = []
        self._meter.start()
        await _called(call, callers, calls, took)
        cost = self._meter.stop()
        by_process = ", ".join(
            f"{process} {used / len(took) * 1e3:.2f}" for process, used in cost.cpu.items() if used
        )
        at = quantiles_ms(took)
        sys.stdout.write(
            f"{name:28} {callers:3} callers {len(took) / cost.wall_s:7,.0f}/s   p50 {at['p50_ms']:6.2f} ms"
            f"   p99 {at['p99_ms']:7.2f} ms   {cost.total_cpu_s / len(took) * 1e3:5.2f} CPU s per 1,000 ({by_process})\n"
        )

    async def idle(self) -> None:
        """Print what everything costs when nobody calls."""
        self._meter.start()
        await asyncio.sleep(IDLE_S)
        cost = self._meter.stop()
        used = ", ".join(f"{process} {used / cost.wall_s:.1%}" for process, used in cost.cpu.items() if used)
        sys.stdout.write(f"idle, of a core: {used}\n")


async def _called(call: Call, callers: int, calls: int, took: list[float]) -> None:
    async def caller(number: int) -> None:
        for nth in range(max(1, calls // callers)):
            began = time.perf_counter()
            await call(number, nth)
            took.append(time.perf_counter() - began)

    await asyncio.gather(*map(caller, range(callers)))


def counting(runs: list[PlayedRun], name: str, *, entities: int) -> Call:
    """Call entities in turn, each caller at another place."""

    async def call(number: int, nth: int) -> None:
        key = f"{name}-{(number + len(runs) * nth) % entities}"
        answer = await runs[number].call(key, "count", service="work", entity_type="Counter")
        if answer.failure is not None:
            raise RuntimeError(answer.failure.message)

    return call


def scripted(redis: Redis) -> Call:
    """Write by a script, as the entity store writes its copies: the floor of Redis."""
    script = redis.register_script(SCRIPT)

    async def call(number: int, nth: int) -> None:
        await script(keys=[f"floor-{number}"], args=["1"])

    return call


def appended(js: JetStream, name: str) -> Call:
    """Append to one log for each caller, each time right behind the record before: the floor of JetStream."""
    newest: dict[int, tuple[int, int]] = {}

    async def call(number: int, nth: int) -> None:
        count, last = newest.get(number, (0, 0))
        subject = f"floor.{name}.{number}"
        expect = Expect(last, f"{subject}.*")
        stored = await js.publish(f"{subject}.{count + 1}", b"x" * 400, expect=expect)
        newest[number] = count + 1, stored.sequence

    return call


async def measure_all(stage: Stage, js: JetStream, redis: Redis, calls: int) -> None:
    """Print the table."""
    bench = Bench(stage)
    await js.api("STREAM.CREATE.FLOOR", FLOOR)
    async with AsyncExitStack() as stack:
        runs = [await stack.enter_async_context(played_run(js, f"bench-{n}")) for n in range(64)]
        for callers in (8, 64):
            await bench.measure("floor: Redis script", scripted(redis), callers=callers, calls=calls)
            await bench.measure(
                "floor: JetStream append", appended(js, str(callers)), callers=callers, calls=calls
            )
            hot = counting(runs, f"hot-{callers}", entities=1)
            await bench.measure("one hot entity", hot, callers=callers, calls=calls)
            many = counting(runs, f"many-{callers}", entities=1_000)
            await bench.measure("1,000 entities", many, callers=callers, calls=calls, entities=1_000)
        await bench.idle()


async def main(calls: int) -> None:
    """Put up what an entity needs, and measure."""
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        settings = {"log_level": "WARNING", "ack_wait_s": "30"}
        stage = Stage(APP, Path(folder), settings=settings, roles=("agent-runner", "entity-store"))
        try:
            await stage.put_up()
            async with (
                connection(stage.nats_url, name="bench") as (_, js),
                Redis.from_url(stage.servers.redis.url) as redis,  # pyright: ignore[reportUnknownMemberType]
            ):
                await measure_all(stage, js, redis, calls)
        finally:
            await stage.take_down()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS))
