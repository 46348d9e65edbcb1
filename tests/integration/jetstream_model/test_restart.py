"""The model forgets and remembers what the real server does when it is killed and started again."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from nats.aio.msg import Msg

from towpath_testkit.jetstream_model import Broker
from towpath_testkit.model_check.asking import Asker, asker
from towpath_testkit.model_check.seen import api_answer
from towpath_testkit.servers import servers
from towpath_testkit.simulated_network import SimulatedNetwork
from towpath_testkit.virtual_time import VirtualTimeLoop, run_virtually

pytestmark = pytest.mark.live

STREAMS: dict[str, dict[str, Any]] = {
    "WORK": {"subjects": ["work.*"], "retention": "workqueue"},
    "LOG": {"subjects": ["log.*"], "allow_msg_schedules": True},
    "MEMORY": {"subjects": ["memory.*"], "storage": "memory"},
}
CONSUMERS = {"WORK": "durable", "LOG": "durable"}
WRITTEN_S = 2.0

Restart = Callable[[], Awaitable[None]]
Seen = list[tuple[str, Any]]


async def called(asking: Asker, call: str, question: dict[str, Any] | None = None) -> Any:
    body = b"" if question is None else json.dumps(question).encode()
    answers = await asking.ask(f"$JS.API.{call}", body)
    return api_answer(answers[0].data)


async def pulled(asking: Asker, stream: str, *, count: int, within_s: float) -> list[Msg]:
    """Pull messages, and wait until they are there."""
    got: list[Msg] = []

    async def take(message: Msg) -> None:
        got.append(message)

    inbox = asking.inbox(f"{stream}{count}")
    await asking.listen(inbox, take)
    question = {"batch": count, "expires": int(within_s * 1e9)}
    subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.durable"
    await asking.tell(subject, json.dumps(question).encode(), reply=inbox)
    for _ in range(int(within_s * 10)):
        if len(got) == count:
            break
        await asyncio.sleep(0.1)
    return got


async def before(asking: Asker) -> None:
    for name, config in STREAMS.items():
        await called(asking, f"STREAM.CREATE.{name}", {"name": name, **config})
        for number in range(3):
            headers = {"Nats-Msg-Id": f"{name}-{number}"}
            await asking.ask(f"{name.lower()}.{number}", b"body", headers)
    for name, consumer in CONSUMERS.items():
        config = {"durable_name": consumer, "ack_policy": "explicit", "ack_wait": 1_000_000_000}
        question = {"stream_name": name, "config": config}
        await called(asking, f"CONSUMER.CREATE.{name}.{consumer}", question)
        first, _ = await pulled(asking, name, count=2, within_s=1.0)
        await asking.ask(first.reply, b"+ACK")
    await asking.ask("log.timer", b"due", {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": "log.due"})


async def after(asking: Asker) -> Seen:
    seen: Seen = [(name, state(await called(asking, f"STREAM.INFO.{name}"))) for name in STREAMS]
    for name, consumer in CONSUMERS.items():
        info = await called(asking, f"CONSUMER.INFO.{name}.{consumer}")
        info.pop("num_pending", None)  # a schedule adds to it
        seen.append((f"{name} consumer", info))
        again = await pulled(asking, name, count=2, within_s=4.0)
        seen.append((f"{name} deliveries", sorted(times_and_sequence(message) for message in again)))
    for name in ("WORK", "LOG"):
        for number in range(3):
            answers = await asking.ask(f"{name.lower()}.{number}", b"", {"Nats-Msg-Id": f"{name}-{number}"})
            seen.append((f"{name}-{number}", "duplicate" in json.loads(answers[0].data)))
    fired = await asking.ask("$JS.API.DIRECT.GET.LOG", b'{"last_by_subj": "log.due"}')
    seen.append(("fired again", len(fired)))
    return seen


def times_and_sequence(message: Msg) -> list[str]:
    """Leave out which came first: the server looks for what is overdue at a moment that it draws."""
    return message.reply.split(".")[4:6]


def state(info: dict[str, Any]) -> Any:
    """Leave out what a schedule adds while nobody looks."""
    return {"messages": info["state"].get("messages", 0) >= 2} if "state" in info else info


async def story(url: str, restart: Restart) -> Seen:
    async with asker(url, "before") as asking:
        await before(asking)
        await asyncio.sleep(WRITTEN_S)  # what a consumer has done is written a little later
    await restart()
    async with asker(url, "after") as asking:
        return await after(asking)


async def on_the_server() -> Seen:
    async with servers(redis=False) as running:

        async def restart() -> None:
            await running.nats.kill()
            await running.nats.start()

        return await story(running.nats.url, restart)


def on_the_model() -> Seen:
    async def main(loop: VirtualTimeLoop) -> Seen:
        broker = Broker(SimulatedNetwork(loop, random.Random(0)))  # noqa: S311 - repeatable, not secret
        broker.start()

        async def restart() -> None:
            broker.kill()
            await asyncio.sleep(0.1)
            broker.start()

        return await story(broker.url, restart)

    return run_virtually(main)


def test_a_killed_server_and_the_model_remember_the_same() -> None:
    assert on_the_model() == asyncio.run(on_the_server())
