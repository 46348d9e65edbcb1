"""Messages of a durable consumer: held, kept alive, given back, delayed; and none is lost with the broker."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from towpath_chassis.delivery import Disowned, RetryLater
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Message
from towpath_schemas.streams import DEAD, TOOLS
from towpath_testkit.handling import CALL, CONSUMER, Handler, pulling
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until, until_so, until_there_are

pytestmark = pytest.mark.live


async def publish(js: JetStream, *bodies: bytes) -> None:
    for body in bodies:
        await js.publish(CALL, body)


async def test_every_message_is_handled_once_and_removed(js: JetStream) -> None:
    handler = Handler()
    bodies = [b"%d" % number for number in range(200)]

    async with pulling(js, handler):
        await publish(js, *bodies)
        await settled(js, TOOLS, CONSUMER)

    assert sorted(handler.bodies) == sorted(bodies)
    await until_there_are(js, TOOLS, 0)


async def test_no_more_are_held_than_there_is_room_for(js: JetStream) -> None:
    handler = Handler()
    handler.release.clear()
    await publish(js, *(b"%d" % number for number in range(20)))

    async with pulling(js, handler, capacity=4) as puller:
        await handler.seen(4)
        info = await js.api(f"CONSUMER.INFO.TOOLS.{CONSUMER}")
        assert (puller.held, info["num_ack_pending"], info["num_pending"]) == (4, 4, 16)
        handler.release.set()
        await settled(js, TOOLS, CONSUMER)

    assert len(handler.bodies) == 20
    assert handler.most_at_once == 4


async def test_a_message_that_is_held_for_long_is_given_to_nobody_else(js: JetStream) -> None:
    handler, other = Handler(), Handler()
    handler.release.clear()
    async with pulling(js, handler, ack_wait_s=0.5):
        await publish(js, b"slow")
        await handler.seen(1)
        async with pulling(js, other, ack_wait_s=0.5):
            await until_so(lambda: asyncio.get_running_loop().time() - handler.at[0] > 1.3)
            handler.release.set()
            await settled(js, TOOLS, CONSUMER)

    assert (handler.bodies, other.bodies) == ([b"slow"], [])


async def test_what_is_delivered_again_while_it_is_in_our_hands_is_handled_once(js: JetStream) -> None:
    handler = Handler()
    handler.release.clear()

    async with pulling(js, handler, ack_wait_s=0.3):
        await publish(js, b"slow")
        await handler.seen(1)
        time.sleep(1)  # noqa: ASYNC251, TID251 - as code that keeps the loop to itself: no sign of life is given
        await until(lambda: redelivered(js), lambda count: count > 0)
        handler.release.set()
        await settled(js, TOOLS, CONSUMER)

    assert handler.bodies == [b"slow"]
    await until_there_are(js, TOOLS, 0)


async def redelivered(js: JetStream) -> int:
    return (await js.api(f"CONSUMER.INFO.TOOLS.{CONSUMER}"))["num_redelivered"]


async def test_a_stop_lets_what_is_held_finish(js: JetStream) -> None:
    handler = Handler()
    handler.release.clear()
    await publish(js, b"1")

    async with pulling(js, handler, drain_s=10):
        await handler.seen(1)
        asyncio.get_running_loop().call_later(0.05, handler.release.set)

    await until_there_are(js, TOOLS, 0)


async def test_a_stop_gives_back_what_is_not_finished_in_time_and_it_comes_to_another_at_once(
    js: JetStream,
) -> None:
    stuck, other = Handler(), Handler()
    stuck.release.clear()
    await publish(js, b"1", b"2")
    async with pulling(js, stuck, drain_s=0.05, ack_wait_s=600):
        await stuck.seen(2)

    async with pulling(js, other, ack_wait_s=600):
        async with asyncio.timeout(3):
            await settled(js, TOOLS, CONSUMER)

    assert sorted(other.bodies) == [b"1", b"2"]


async def test_a_handler_that_wants_a_message_later_gets_it_after_the_delay_it_named(js: JetStream) -> None:
    handler = Handler(RetryLater("busy", after_s=0.3), RetryLater("busy", after_s=0))

    async with pulling(js, handler, max_attempts=1):
        await publish(js, b"1")
        await settled(js, TOOLS, CONSUMER)

    assert handler.bodies == [b"1"] * 3
    assert handler.at[1] - handler.at[0] > 0.28
    assert await messages_in(js, DEAD) == 0


async def test_a_message_of_another_process_is_neither_acknowledged_nor_given_back(js: JetStream) -> None:
    handler = Handler(Disowned("elsewhere"))

    async with pulling(js, handler) as puller:
        await publish(js, b"1")
        await handler.seen(1)
        await until_so(lambda: puller.held == 0)
        info = await js.api(f"CONSUMER.INFO.TOOLS.{CONSUMER}")

    assert (info["num_ack_pending"], info["num_redelivered"], len(handler.bodies)) == (1, 0, 1)


async def test_one_bad_message_holds_up_no_other(js: JetStream) -> None:
    async def handle(message: Message) -> None:
        if message.data == b"bad":
            raise RetryLater("not yet", after_s=60)
        good.append(message.data)

    good: list[bytes] = []
    async with pulling(js, handle, capacity=1):
        await publish(js, b"bad", b"bad", b"1", b"2")
        await until(lambda: messages_in(js, TOOLS), lambda count: count == 2)

    assert good == [b"1", b"2"]


async def test_pulling_goes_on_after_the_broker_was_killed_again_and_again(
    js: JetStream, broker: Servers
) -> None:
    handled: set[bytes] = set()
    bodies = {b"%d" % number for number in range(300)}

    async def handle(message: Message) -> None:
        handled.add(message.data)

    await publish(js, *bodies)
    async with pulling(js, handle, capacity=5, ack_wait_s=1):
        for least in (50, 150):
            await until_so(lambda least=least: len(handled) >= least)
            await broker.nats.restart()
        await until_so(lambda: len(handled) == len(bodies), deadline_s=8)

    assert handled == bodies


async def test_what_comes_while_nothing_was_there_to_pull_is_handled_soon_after_the_broker_is_back(
    js: JetStream, broker: Servers
) -> None:
    handler = Handler()
    async with pulling(js, handler):
        await publish(js, b"before")
        await handler.seen(1)
        await broker.nats.restart()
        await until(_publishing(js, b"after"), lambda stored: stored)
        async with asyncio.timeout(3):
            await handler.seen(2)

    assert handler.bodies == [b"before", b"after"]


def _publishing(js: JetStream, body: bytes) -> Callable[[], Awaitable[bool]]:
    async def attempt() -> bool:
        return (await js.publish(CALL, body, message_id=body.decode())).sequence > 0

    return attempt


async def test_a_stop_while_the_broker_is_away_ends_quickly(js: JetStream, broker: Servers) -> None:
    handler = Handler()
    handler.release.clear()
    async with asyncio.timeout(5):
        async with pulling(js, handler, drain_s=0.1):
            await publish(js, b"1")
            await handler.seen(1)
            await broker.nats.kill()
