"""What the index of memories does: `python tests/bench/memories.py [--items N ...]`.

Records are written to the log of memories as fast as the broker takes them, with vectors of 256 numbers (as the offline
embedding model makes); nine tenths are one application's, the rest are 1,000 for each of some users. How fast they come
into the index, and how far it is behind meanwhile; then searches one after the other, in all of the application's and in
one user's. On the embedded NATS and the embedded Qdrant; one entity store in a process of its own.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

from towpath_entity_store.memories.reaching import CONSUMER
from towpath_schemas.memory import Namespace
from towpath_testkit.measure import Meter, quantiles_ms
from towpath_testkit.memory_stage import MemoryStage, memory_stage

DIMENSIONS = 256
ITEMS_OF_A_USER = 1_000
AT_ONCE = 128
QUESTIONS = 200
LOOK_EVERY_S = 0.1
PACED_PER_S, PACED_FOR_S = 200, 5.0
EVERYBODY = Namespace("shop")
VOCABULARY = [f"word{number}" for number in range(2_000)]


class Bench:
    """One stage, and what was written to it."""

    def __init__(self, stage: MemoryStage) -> None:
        self._stage = stage
        self._random = random.Random(17)  # noqa: S311 - not a secret
        self._written = 0
        self.behind: list[int] = []

    def vector(self) -> list[float]:
        """Make a direction."""
        return [self._random.gauss(0, 1) for _ in range(DIMENSIONS)]

    def text(self) -> str:
        """Make a text of rarer and more frequent words."""
        return " ".join(VOCABULARY[int(len(VOCABULARY) * self._random.random() ** 2)] for _ in range(12))

    async def write_one(self) -> None:
        """Store the next item."""
        number = self._written
        self._written += 1
        user, is_users = number // (10 * ITEMS_OF_A_USER), number % 10 == 0
        namespace = Namespace("shop", f"user-{user}") if is_users else EVERYBODY
        await self._stage.write(
            f"key-{number}", self.text(), self.vector(), namespace=namespace, kind=f"kind-{number % 100}"
        )

    async def fill(self, items: int) -> tuple[float, float]:
        """Write until there are so many; tell the seconds until all is in the log, and until all is in the index."""
        began = time.perf_counter()

        async def writer() -> None:
            while self._written < items:
                await self.write_one()

        watcher = asyncio.create_task(self._watch())
        await asyncio.gather(*(writer() for _ in range(AT_ONCE)))
        logged_s = time.perf_counter() - began
        while await self._left():  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(LOOK_EVERY_S)
        watcher.cancel()
        return logged_s, time.perf_counter() - began

    async def paced(self) -> list[float]:
        """Write at a steady pace; tell how long after each write a question was answered that saw it."""
        took: list[float] = []
        began = time.perf_counter()
        for number in range(int(PACED_PER_S * PACED_FOR_S)):
            await asyncio.sleep(max(0.0, began + number / PACED_PER_S - time.perf_counter()))
            await self.write_one()
            if number % 10 == 0:
                asked = time.perf_counter()
                await self._stage.ask(
                    namespace=EVERYBODY, question="recall", keys=(f"key-{self._written - 1}",)
                )
                took.append(time.perf_counter() - asked)
        return took

    async def ask(self, question: Callable[[], Awaitable[Any]]) -> str:
        """Ask one after the other, and tell how long that takes."""
        took: list[float] = []
        for _ in range(QUESTIONS):
            began = time.perf_counter()
            answer = await question()
            took.append(time.perf_counter() - began)
            assert answer.failure is None, answer.failure
            assert answer.found
        quantiles = quantiles_ms(took)
        return f"p50 {quantiles['p50_ms']:7.1f} ms   p99 {quantiles['p99_ms']:7.1f} ms"

    def questions(self) -> dict[str, Callable[[], Awaitable[Any]]]:
        """Name what is asked."""
        search, user = self._stage.search, Namespace("shop", "user-0")
        return {
            "search, one user's": lambda: search(self.vector(), namespace=user),
            "search, everybody's": lambda: search(self.vector(), namespace=EVERYBODY),
            "search, filtered to 1%": lambda: search(
                self.vector(), namespace=EVERYBODY, filter={"kind": "kind-17"}
            ),
            "search by words": lambda: self._stage.ask(
                namespace=EVERYBODY, question="search", text=self.text()
            ),
            "search by both": lambda: search(
                self.vector(), namespace=EVERYBODY, text=self.text(), hybrid=True
            ),
            "recall one": lambda: self._stage.ask(namespace=EVERYBODY, question="recall", keys=("key-17",)),
        }

    async def _left(self) -> int:
        info = await self._stage.js.api(f"CONSUMER.INFO.{CONSUMER}")
        return int(info["num_pending"]) + int(info["num_ack_pending"])

    async def _watch(self) -> None:
        while True:
            self.behind.append(await self._left())
            await asyncio.sleep(LOOK_EVERY_S)


async def measure(items: int) -> None:
    """Fill an index and ask it."""
    say = sys.stdout.write
    async with memory_stage() as stage, stage.store_process("bench", ack_wait_s=30.0) as process:
        await stage.keys(namespace=EVERYBODY)
        bench = Bench(stage)
        meter = Meter(
            {"entity-store": process.pid, "qdrant": stage.servers.qdrant.pid, "nats": stage.servers.nats.pid}
        )
        meter.start()
        logged_s, indexed_s = await bench.fill(items)
        cost = meter.stop()
        spent = "   ".join(f"{name} {used / items * 1e3:.2f}" for name, used in cost.cpu.items())
        say(
            f"{items:,} items: {items / logged_s:,.0f}/s into the log, {items / indexed_s:,.0f}/s into the index;"
        )
        say(f" at most {max(bench.behind, default=0):,} behind; CPU ms for each: {spent}\n")
        for name, question in bench.questions().items():
            say(f"  {name:24} {await bench.ask(question)}\n")
        quantiles = quantiles_ms(await bench.paced())
        say(
            f"  {PACED_PER_S} writes/s, asked after one  p50 {quantiles['p50_ms']:7.1f} ms   p99 {quantiles['p99_ms']:7.1f} ms\n"
        )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, nargs="+", default=[10_000, 100_000])
    for items in parser.parse_args().items:
        await measure(items)


if __name__ == "__main__":
    asyncio.run(main())
