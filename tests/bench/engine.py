"""`just bench`, its second part: what waits, fans out and grows, on one platform of processes. Durability: `standard`.

P3: forty steps in a row. P4: a hundred steps, and a hundred child runs, at the same time. P9: from the publish of a
signal to the waiting run's next line, live and suspended. P10: many suspended runs: what the services grow by, and
how long a thousand of them take to wake. P11: many timers: by how much they are late; and timers that end while all
services are stopped: how long after these are back. P13: a long workflow: what a step costs at its end beside its
beginning, and how long it takes to be taken up again.
"""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Container
from pathlib import Path
from typing import Any

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.errors import NotFoundError

from towpath_schemas import identity
from towpath_testkit.measure import quantiles_ms
from towpath_testkit.settled import until
from towpath_testkit.stage import SERVICES, Stage

ROUNDS = 5
SIGNALS = 60
AWAY_S = 8.0
"""In how long timers end that do so while everything is stopped."""
SUSPENDED = {"run.suspended"}
RUNS_PER_S = 150
"""Timers that end in a second: what two cores do beside the client, so that lateness is not a queue."""
AT_ONCE = 2_000
"""How many requests may be on their way at a time: more would only wait in the client."""


def resident_mb(pid: int) -> float:
    """Read how much memory a process holds."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * 4096 / 1e6


class Engine:
    """One platform and one plain client, and what is measured between them."""

    def __init__(self, stage: Stage, client: Client, size: int) -> None:
        self._stage = stage
        self._client = client
        self._js = client.jetstream()
        self._size = size
        self._ended: dict[str, asyncio.Future[dict[str, Any]]] = {}
        self._number = 0

    async def open(self) -> None:
        await self._client.subscribe("output.v1.*", cb=self._on_end)

    async def _on_end(self, message: Msg) -> None:
        run = json.loads(message.data).get("run")
        future = self._ended.get(run["run_id"]) if run else None
        if future is not None and not future.done():
            future.set_result(run)

    # --- Runs ---------------------------------------------------------------------------------------

    async def start(self, component: str, given: Any) -> str:
        self._number += 1
        key = str(self._number)
        run_id = identity.run_id("bench", component, key)
        self._ended[run_id] = asyncio.get_running_loop().create_future()
        body = json.dumps({"input": given, "idempotency_key": key}).encode()
        await self._client.publish(f"requests.v1.bench.start.{component}", body)
        return run_id

    async def result(self, run_id: str, within_s: float = 120) -> Any:
        run = await asyncio.wait_for(self._ended[run_id], within_s)
        assert run["status"] == "completed", run
        del self._ended[run_id]
        return run["result"]

    async def run(self, component: str, given: Any) -> Any:
        return await self.result(await self.start(component, given))

    async def signal(self, run_id: str, name: str) -> None:
        await self._client.publish(f"requests.v1.bench.signal.{run_id}", json.dumps({"name": name}).encode())

    async def until_last(self, run_id: str, kinds: Container[str], within_s: float = 60) -> str:
        """Wait until the newest record of a run is of one of these kinds, and return which."""
        return await until(lambda: self._last_kind(run_id), lambda last: last in kinds, deadline_s=within_s)

    async def _last_kind(self, run_id: str) -> str:
        try:
            last = await self._js.get_last_msg("JOURNAL", f"journal.v1.{run_id}.>")
        except NotFoundError:
            return ""
        return json.loads(last.data or b"{}")["kind"]

    # --- Figures ------------------------------------------------------------------------------------

    async def in_a_row(self) -> dict[str, Any]:
        took = [await self.run("in_a_row", {"count": 40}) for _ in range(ROUNDS + 1)]
        return {"ms": round(statistics.median(took[1:]) * 1_000, 1)}

    async def fan_out(self) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for of in ("steps", "runs"):
            took = [await self.run("fan_out", {"count": 100, "of": of}) for _ in range(ROUNDS + 1)]
            figures[f"{of}_ms"] = round(statistics.median(took[1:]) * 1_000, 1)
        return figures

    async def signals(self, *, suspended: bool) -> dict[str, Any]:
        took: list[float] = []
        wanted = SUSPENDED if suspended else {"call.intended", "run.suspended"}
        while len(took) < SIGNALS:
            run_id = await self.start("waits", {"name": "go"})
            last = await self.until_last(run_id, wanted)
            sent_at = time.time()
            await self.signal(run_id, "go")
            took_s = await self.result(run_id) - sent_at
            if suspended or last != "run.suspended":  # one that waits is dropped at the next look
                took.append(took_s)
        return quantiles_ms(took)

    async def many_suspended(self) -> dict[str, Any]:
        pids = {name: process.pid for name, process in self._stage.platform.services.items()}
        warm = await self._suspend(min(AT_ONCE, self._size))
        before = {name: resident_mb(pid) for name, pid in pids.items()}
        began = time.monotonic()
        waiting = warm + await self._suspend(self._size)
        suspended_s = time.monotonic() - began
        grown = {name: round(resident_mb(pid) - before[name], 1) for name, pid in pids.items()}
        woken = waiting[:: max(1, len(waiting) // 1_000)][:1_000]
        began = time.monotonic()
        for run_id in woken:
            await self.signal(run_id, "go")
        await asyncio.gather(*map(self.result, woken))
        took_s = time.monotonic() - began
        return {
            "runs": len(waiting),
            "runs_per_s": round(self._size / suspended_s),
            "grown_mb": grown,
            "woken": len(woken),
            "waking_s": round(took_s, 2),
        }

    async def _suspend(self, count: int) -> list[str]:
        runs: list[str] = []
        for first in range(0, count, AT_ONCE):
            batch = [await self.start("waits", {"name": "go"}) for _ in range(min(AT_ONCE, count - first))]
            await asyncio.gather(*(self.until_last(run_id, SUSPENDED, 600) for run_id in batch))
            runs += batch
        return runs

    async def many_timers(self) -> dict[str, Any]:
        spread_s = max(20.0, self._size / RUNS_PER_S)
        first_at = time.time() + self._size / RUNS_PER_S + 15  # the starts are not to come between
        ends = [first_at + spread_s * number / self._size for number in range(self._size)]
        runs: list[str] = []
        for number, end in enumerate(ends):
            runs.append(await self.start("sleeps", {"until": end}))
            if number % AT_ONCE == AT_ONCE - 1:
                await self.until_last(runs[-1], SUSPENDED, 600)
        late = [(await self.result(run_id, 1_200))["late_s"] for run_id in runs]
        return {"timers": len(late), **quantiles_ms([max(0.0, one) for one in late])}

    async def timers_of_a_stopped_platform(self) -> dict[str, Any]:
        """Let timers end while no service runs, and tell how long after the return of all of them runs go on."""
        ends_at = time.time() + AWAY_S
        runs = [await self.start("sleeps", {"until": ends_at}) for _ in range(SIGNALS)]
        await asyncio.gather(*(self.until_last(run_id, {"call.intended"} | SUSPENDED) for run_id in runs))
        await asyncio.gather(*map(self._stage.kill, SERVICES))
        await asyncio.sleep(max(0.0, ends_at - time.time()))
        await asyncio.gather(*map(self._stage.start, SERVICES))
        back_at = time.time()
        late = [ends_at + (await self.result(run_id))["late_s"] - back_at for run_id in runs]
        return {"timers": len(late), **quantiles_ms([max(0.0, one) for one in late])}

    async def growth(self) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        for count in (1_000, 10_000):
            run_id = await self.start("grows", {"count": count})
            await self.until_last(run_id, SUSPENDED, 600)
            began = time.monotonic()
            await self.signal(run_id, "resume")
            tenths = await self.result(run_id, 120)
            figures[f"{count}_steps"] = {
                "last_tenth_to_first": round(tenths[-1] / tenths[0], 2),
                "resume_s": round(time.monotonic() - began, 3),
            }
        return figures


async def main(size: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="towpath-bench-") as folder:
        settings = {"log_level": "WARNING"}
        stage = Stage(Path(__file__).with_name("waits.py"), Path(folder), settings=settings)
        try:
            await stage.put_up()
            client = await nats.connect(stage.nats_url)
            engine = Engine(stage, client, size)
            await engine.open()
            show("P3 40 in a row", await engine.in_a_row())
            show("P4 fan-out of 100", await engine.fan_out())
            show("P9 signal, live", await engine.signals(suspended=False))
            show("P9 signal, suspended", await engine.signals(suspended=True))
            show("P11 all stopped", await engine.timers_of_a_stopped_platform())
            show("P13 growth", await engine.growth())
            show("P10 suspended runs", await engine.many_suspended())
            show("P11 timers", await engine.many_timers())
            await client.close()
        finally:
            await stage.take_down()


def show(name: str, figure: dict[str, Any]) -> None:
    """Print one line of the table as soon as it is known."""
    sys.stdout.write(f"{name:<22} {json.dumps(figure)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--size", type=int, default=5_000, help="how many suspended runs and timers")
    asyncio.run(main(given.parse_args().size))
