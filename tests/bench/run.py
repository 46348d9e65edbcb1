"""`just bench`: the figures of the main path, beside a floor measured in the same run.

P1: workflows of ten steps that do nothing, 256 at a time and alone; CPU seconds for 1,000 steps, client and servers
together. P2: the latency of one such workflow. P5: from the publish of a request to the first line of its handler.
The floor is ten compare-and-set appends with nats-py, one after the other, to a stream of the same kind. Rounds are
interleaved; every figure is the median of the rounds. Durability: `standard`.
"""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, StreamConfig

from towpath_testkit.measure import Cost, Meter, quantiles_ms
from towpath_testkit.stage import Stage

ROUNDS = 5
STEPS = 10
CONCURRENT = 256
ALONE = 60
RESULTS = Path(__file__).with_name("results.json")
Round = Callable[[], Awaitable[dict[str, Any]]]


class Bench:
    """One platform and one plain client, and what is measured between them."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self._client = client
        self._js = client.jetstream()
        self._ended: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        pids = {name: process.pid for name, process in stage.platform.services.items()}
        self._meter = Meter(
            {**pids, "nats": stage.servers.nats.pid, "redis": stage.servers.redis.pid, "client": os.getpid()}
        )
        self._floors = 0

    async def open(self) -> None:
        await self._client.subscribe("output.v1.*", cb=self._on_end)
        floor = StreamConfig(
            name="FLOOR", subjects=["floor.>"], max_msgs_per_subject=1, discard=DiscardPolicy.NEW
        )
        await self._js.add_stream(floor, discard_new_per_subject=True)

    async def _on_end(self, message: Msg) -> None:
        self._ended.put_nowait(json.loads(message.data)["run"])

    async def _start(self, component: str, given: Any) -> None:
        await self._client.publish(
            f"requests.v1.bench.start.{component}", json.dumps({"input": given}).encode()
        )

    async def _audited(self) -> None:
        """Wait until the sink has told every record, so that its work is in the figure."""
        while True:
            journal = await self._js.get_last_msg("JOURNAL", "journal.v1.>")
            told = await self._js.get_last_msg("AUDIT", "audit.v1.>")
            if json.loads(told.data or b"{}")["source_sequence"] == journal.seq:
                return

    # --- Rounds -------------------------------------------------------------------------------------

    async def together(self) -> dict[str, Any]:
        """P1: many workflows at the same time."""
        self._meter.start()
        for _ in range(CONCURRENT):
            await self._start("steps", {"count": STEPS})
        for _ in range(CONCURRENT):
            assert (await self._ended.get())["status"] == "completed"
        wall_s = self._meter.lap()
        await self._audited()
        return _per_thousand(self._meter.stop(wall_s), CONCURRENT * STEPS)

    async def alone(self) -> dict[str, Any]:
        """P1 and P2: one workflow after the other."""
        took: list[float] = []
        self._meter.start()
        for _ in range(ALONE):
            began = time.perf_counter()
            await self._start("steps", {"count": STEPS})
            await self._ended.get()
            took.append(time.perf_counter() - began)
        wall_s = self._meter.lap()
        await self._audited()
        return {**_per_thousand(self._meter.stop(wall_s), ALONE * STEPS), **quantiles_ms(took)}

    async def first_line(self) -> dict[str, Any]:
        """P5: from the publish to the first line of the handler."""
        took: list[float] = []
        for _ in range(ALONE):
            published_at = time.time()
            await self._start("began", None)
            took.append((await self._ended.get())["result"] - published_at)
        return quantiles_ms(took)

    async def floor_together(self) -> dict[str, Any]:
        """The appends alone, as many chains at the same time."""
        self._meter.start()
        await asyncio.gather(*(self._chain() for _ in range(CONCURRENT)))
        return _per_thousand(self._meter.stop(), CONCURRENT * STEPS)

    async def floor_alone(self) -> dict[str, Any]:
        """The appends alone, one chain after the other."""
        took: list[float] = []
        self._meter.start()
        for _ in range(ALONE):
            began = time.perf_counter()
            await self._chain()
            took.append(time.perf_counter() - began)
        return {**_per_thousand(self._meter.stop(), ALONE * STEPS), **quantiles_ms(took)}

    async def _chain(self) -> None:
        self._floors += 1
        chain = self._floors
        expected = {"Nats-Expected-Last-Subject-Sequence": "0"}
        for number in range(STEPS):
            await self._js.publish(f"floor.{chain}.{number}", b"x" * 200, headers=expected)


def _per_thousand(cost: Cost, steps: int) -> dict[str, Any]:
    by_process = {name: round(used * 1_000 / steps, 3) for name, used in cost.cpu.items() if used}
    audit = by_process.get("audit-sink", 0.0)
    total = sum(by_process.values())
    return {
        "steps_per_s": round(steps / cost.wall_s),
        "cpu_s_per_1000": round(total, 3),
        "of_it_audit_sink": audit,
        "by_process": by_process,
    }


async def measure(bench: Bench) -> dict[str, Any]:
    """Run all rounds, interleaved, and take medians."""
    rounds: dict[str, Round] = {
        "P1 256 together": bench.together,
        "P1 P2 alone": bench.alone,
        "P5 first line": bench.first_line,
        "floor 256 together": bench.floor_together,
        "floor alone": bench.floor_alone,
    }
    for warm_up in rounds.values():
        await warm_up()
    taken = [{name: await take() for name, take in rounds.items()} for _ in range(ROUNDS)]
    return {name: _median([one[name] for one in taken]) for name in rounds}


def _median(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        key: _median([one[key] for one in results])
        if isinstance(value, dict)
        else statistics.median(one.get(key, 0) for one in results)
        for key, value in results[0].items()
    }


async def main() -> None:
    """Measure, print and keep the figures."""
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        stage = Stage(Path(__file__).with_name("work.py"), Path(folder), settings={"log_level": "WARNING"})
        began = time.monotonic()
        try:
            await stage.put_up()
            started_s = round(time.monotonic() - began, 2)
            client = await nats.connect(stage.nats_url)
            bench = Bench(stage, client)
            await bench.open()
            figures = {"start of the platform": {"s": started_s}, **await measure(bench)}
            await client.close()
        finally:
            await stage.take_down()
    for name, figure in figures.items():
        sys.stdout.write(f"{name:<22} {json.dumps(figure)}\n")
    RESULTS.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
