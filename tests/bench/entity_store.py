"""Measures an entity store: writes to one hot entity, and to a thousand, with what they cost in its process."""

import asyncio
import os
import statistics
import time
from contextlib import AsyncExitStack
from typing import NamedTuple

import uvloop

from towpath_schemas.entities import InvocationRequested
from towpath_testkit.entities import played_run
from towpath_testkit.entity_stage import EntityStage, entity_stage, eventually

_WARM_UP = 200
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Measured(NamedTuple):
    """One run of the benchmark."""

    name: str
    calls: int
    seconds: float
    cpu_s: float
    latencies_ms: list[float]

    def __str__(self) -> str:
        quantiles = statistics.quantiles(self.latencies_ms, n=100)
        return (
            f"{self.name:36} {self.calls / self.seconds:7,.0f} writes/s"
            f"   p50 {quantiles[49]:6.2f} ms   p99 {quantiles[98]:7.2f} ms"
            f"   {self.cpu_s / self.calls * 1_000:5.2f} CPU s per 1,000"
        )


def count(state: dict[str, int], asked: InvocationRequested) -> int:
    """Execute the only method there is."""
    state["count"] = state.get("count", 0) + 1
    return state["count"]


def cpu_s_of(pid: int) -> float:
    """Read the CPU seconds a process has used."""
    with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123 - not a file of ours
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


async def measure(
    stage: EntityStage, pid: int, name: str, *, callers: int, entities: int, calls: int
) -> Measured:
    """Have `callers` runs call as fast as they are answered."""
    latencies_ms: list[float] = []

    async with AsyncExitStack() as stack:
        runs = [await stack.enter_async_context(played_run(stage.js, f"{name}-{n}")) for n in range(callers)]

        async def caller(number: int, each: int) -> None:
            for call in range(each):
                key = f"{name}-{(number + callers * call) % entities}"
                began = time.perf_counter()
                await runs[number].call(key, "count")
                latencies_ms.append((time.perf_counter() - began) * 1_000)

        await asyncio.gather(*(caller(n, max(1, _WARM_UP // callers)) for n in range(callers)))
        latencies_ms.clear()
        cpu_s, began = cpu_s_of(pid), time.perf_counter()
        await asyncio.gather(*(caller(n, calls // callers) for n in range(callers)))
        seconds = time.perf_counter() - began
        return Measured(name, len(latencies_ms), seconds, cpu_s_of(pid) - cpu_s, latencies_ms)


async def idle_cpu(pid: int, seconds: float) -> float:
    """Tell which share of a core a store uses that has nothing to do."""
    before = cpu_s_of(pid)
    await asyncio.sleep(seconds)
    return (cpu_s_of(pid) - before) / seconds


async def main() -> None:
    """Print the table."""
    async with entity_stage(count) as stage, stage.store_process("bench", ack_wait_s=30.0) as process:
        first = asyncio.create_task(stage.run.call("first", "count"))
        await eventually(lambda: asyncio.sleep(0, first.done()))
        for name, callers, entities, calls in (
            ("one-entity-8-callers", 8, 1, 8_000),
            ("one-entity-64-callers", 64, 1, 16_000),
            ("1000-entities-8-callers", 8, 1_000, 8_000),
            ("1000-entities-64-callers", 64, 1_000, 16_000),
        ):
            print(await measure(stage, process.pid, name, callers=callers, entities=entities, calls=calls))  # noqa: T201 - a table
        print(f"idle: {await idle_cpu(process.pid, 10.0):.1%} of a core")  # noqa: T201 - a table


if __name__ == "__main__":
    uvloop.run(main())
