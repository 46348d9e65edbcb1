"""What a gate costs: runs that do nothing, with none before them and with one of each kind; CPU ms for one run.

`free` has no gate. `roomy` never waits, `narrow` has 16 places for all, `rated` spends tokens, of `keyed` each run has
a gate of its own. 400 runs are asked for at once; rounds are interleaved, figures are medians. Durability: `standard`.
"""

# nats-py is untyped in part.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from towpath_testkit.measure import Meter
from towpath_testkit.stage import Stage

ROUNDS = 5
RUNS = 400
KINDS = ("free", "roomy", "narrow", "rated", "keyed")


class Bench:
    """One platform and one plain client."""

    def __init__(self, stage: Stage, client: Client) -> None:
        self._client = client
        self._js = client.jetstream()
        self._ended: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._asked = 0
        pids = {name: process.pid for name, process in stage.platform.services.items()}
        self._meter = Meter({**pids, "nats": stage.servers.nats.pid, "client": os.getpid()})

    async def open(self) -> None:
        """Listen to the ends of runs."""
        await self._client.subscribe("output.v1.*", cb=self._on_end)

    async def _on_end(self, message: Msg) -> None:
        self._ended.put_nowait(json.loads(message.data)["run"])

    async def together(self, component: str) -> dict[str, float]:
        """Run many at the same time, until all of it is audited."""
        self._meter.start()
        for _ in range(RUNS):
            self._asked += 1
            body = json.dumps({"input": {"number": self._asked}}).encode()
            await self._client.publish(f"requests.v1.bench.start.{component}", body)
        for _ in range(RUNS):
            assert (await self._ended.get())["status"] == "completed"
        wall_s = self._meter.lap()
        await self._audited()
        cost = self._meter.stop(wall_s)
        by_process = {name: round(used * 1_000 / RUNS, 3) for name, used in cost.cpu.items() if used}
        return {
            "runs_per_s": RUNS / cost.wall_s,
            "cpu_ms": round(cost.total_cpu_s * 1_000 / RUNS, 3),
            "router_ms": by_process.get("router", 0.0),
            "nats_ms": by_process.get("nats", 0.0),
            "runner_ms": by_process.get("agent-runner", 0.0),
        }

    async def alone(self, component: str) -> dict[str, float]:
        """Run one after the other; tell the median of the time from request to end."""
        took: list[float] = []
        for _ in range(60):
            self._asked += 1
            began = time.perf_counter()
            body = json.dumps({"input": {"number": self._asked}}).encode()
            await self._client.publish(f"requests.v1.bench.start.{component}", body)
            await self._ended.get()
            took.append(time.perf_counter() - began)
        return {"alone_p50_ms": round(statistics.median(took) * 1e3, 2)}

    async def _audited(self) -> None:
        while True:
            journal = await self._js.get_last_msg("JOURNAL", "journal.v1.>")
            told = await self._js.get_last_msg("AUDIT", "audit.v1.>")
            if json.loads(told.data or b"{}")["source_sequence"] == journal.seq:
                return


async def measure(bench: Bench) -> dict[str, dict[str, float]]:
    """Run all rounds, interleaved, and take medians."""
    taken: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for kind in KINDS:
        await bench.together(kind)
    for _ in range(ROUNDS):
        for kind in KINDS:
            taken[kind].append({**await bench.together(kind), **await bench.alone(kind)})
    return {
        kind: {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}
        for kind, rounds in taken.items()
    }


async def main() -> None:
    """Measure and print the figures."""
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        app = Path(__file__).with_name("limits_app.py")
        stage = Stage(app, Path(folder), settings={"log_level": "WARNING"})
        try:
            await stage.put_up()
            client = await nats.connect(stage.nats_url)
            bench = Bench(stage, client)
            await bench.open()
            figures = await measure(bench)
            await client.close()
        finally:
            await stage.take_down()
    for kind, figure in figures.items():
        sys.stdout.write(f"{kind:<8} {json.dumps(figure)}\n")


if __name__ == "__main__":
    asyncio.run(main())
