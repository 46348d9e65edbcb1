"""The demonstration: ten questions to the support desk, and a runner that dies in the middle of them.

Everything runs on this machine, each service as a process of its own. The requests are published with a plain
NATS client, as a program in any language would. Exits with 0 only if all ten runs finished and every refund was
paid exactly once.
"""

# nats-py is untyped in part, and a plain client is what this is about.
# pyright: reportUnknownMemberType=false

import asyncio
import json
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from towpath_cli.embedded import NatsServer, QdrantServer, RedisServer, free_port
from towpath_cli.plan import Plan
from towpath_cli.platform import Platform

APP = Path(__file__).with_name("app.py")
CUSTOMERS = ("ada", "bob", "eve")
QUESTIONS = 10
KILL_AFTER_ACTS = 45
FINISH_WITHIN_S = 120.0
STYLES = {"ok": "green", "error": "red"}


class Trail:
    """What the audit stream has told so far."""

    def __init__(self) -> None:
        self.acts: Counter[str] = Counter()
        self.newest: dict[str, str] = {}
        self.ended: dict[str, str] = {}
        self.lines: deque[Text] = deque(maxlen=12)
        self._told = asyncio.Event()

    async def on_event(self, message: Msg) -> None:
        """Take in one audit event."""
        event = json.loads(message.data)
        run, act = event["run_id"], f"{event['kind']} {event['action']}"
        self.acts[run] += 1
        self.newest[run] = f"{act} {event['target']}"
        if event["kind"] == "run" and event["action"] in {"completed", "failed", "cancelled"}:
            self.ended[run] = event["action"]
        style = STYLES.get(event.get("outcome", ""), "cyan")
        agent = event.get("agent") or "-"
        self.lines.append(Text(f"{run[:8]}  {agent:<8} {act:<20} {event['target']}", style=style))
        self._told.set()

    def say(self, sentence: str) -> None:
        """Put a sentence between the events."""
        self.lines.append(Text(sentence, style="bold yellow"))

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds of what was told."""
        while not holds():
            self._told.clear()
            await self._told.wait()

    def __rich__(self) -> Group:
        """Draw the runs and the newest events."""
        runs = Table("run", "acts", "newest act", "end", expand=True)
        for run, act in self.newest.items():
            end = self.ended.get(run, "")
            style = "green" if end == "completed" else "red"
            runs.add_row(run[:8], str(self.acts[run]), act, Text(end, style=style))
        return Group(runs, Text("audit trail", style="italic"), *self.lines)


@asynccontextmanager
async def standing(directory: Path, effects: Path) -> AsyncGenerator[Platform]:
    """Put up broker, stores and services."""
    broker, redis, qdrant = NatsServer(), RedisServer(), QdrantServer()
    plan = Plan(
        app=str(APP),
        nats_url=broker.url,
        redis_url=redis.url,
        qdrant_url=qdrant.url,
        directory=directory,
        http_port=free_port(),
        environment={"DESK_EFFECTS": str(effects)},
    )
    async with AsyncExitStack() as stack:
        for server in (broker, redis, qdrant):
            stack.push_async_callback(server.stop)
        await asyncio.gather(*(server.start() for server in (broker, redis, qdrant)))
        yield await stack.enter_async_context(Platform(plan))


async def ask(client: Client) -> None:
    """Publish ten request events: a subject and a JSON body are all it takes."""
    for number in range(QUESTIONS):
        question = {"customer": CUSTOMERS[number % len(CUSTOMERS)], "question": "Why did I pay twice?"}
        request = {"input": question, "idempotency_key": f"question-{number}"}
        await client.publish("requests.v1.demo.start.support_desk", json.dumps(request).encode())
    await client.flush()


async def play(platform: Platform, trail: Trail) -> None:
    """Ask, kill the agent-runner in the middle, and see everything through."""
    client = await nats.connect(platform.plan.nats_url)
    try:
        await client.subscribe("audit.v1.demo.>", cb=trail.on_event)
        await ask(client)
        await trail.until(lambda: sum(trail.acts.values()) >= KILL_AFTER_ACTS)
        await platform.kill("agent-runner")
        trail.say("--- kill -9 of the agent-runner; a new one is started ---")
        await platform.start("agent-runner")
        await trail.until(lambda: len(trail.ended) == QUESTIONS)
    finally:
        await client.close()


def verdict(console: Console, trail: Trail, effects: Path) -> bool:
    """Say whether the promise was kept."""
    paid = Counter(json.loads(line)["run"] for line in effects.read_text().splitlines())
    completed = sum(end == "completed" for end in trail.ended.values())
    console.print(f"runs completed: {completed} of {QUESTIONS}")
    console.print(
        f"refunds paid: {paid.total()}, for {len(paid)} runs, at most {max(paid.values(), default=0)} each"
    )
    kept = completed == QUESTIONS and len(paid) == QUESTIONS == paid.total()
    console.print("[bold green]every effect happened once" if kept else "[bold red]the promise was broken")
    return kept


async def main() -> int:
    """Run the demonstration; 0 if the promise was kept."""
    console, trail, began = Console(), Trail(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="towpath-demo-") as folder:
        effects = Path(folder) / "refunds.jsonl"
        effects.touch()
        console.print("starting NATS, Redis, Qdrant and six services, each a process of its own ...")
        async with standing(Path(folder), effects) as platform:
            console.print(f"ready after {time.monotonic() - began:.1f} s")
            with Live(trail, console=console, refresh_per_second=8):
                async with asyncio.timeout(FINISH_WITHIN_S):
                    await play(platform, trail)
            if not console.is_terminal:
                console.line()  # `Live` ends its last line on terminals only
        console.print(f"all over after {time.monotonic() - began:.1f} s")
        return 0 if verdict(console, trail, effects) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
