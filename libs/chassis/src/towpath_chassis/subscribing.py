"""FastStream subscribers for messages that are handled and done; how each ends is decided by `delivery`."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from faststream.nats import JStream, NatsMessage, PullSub
from nats.aio.msg import Msg

from towpath_chassis.delivery import Delivery
from towpath_chassis.service import Chassis
from towpath_chassis.streams import ensure_consumer, nanoseconds
from towpath_schemas.streams import Stream

_STALL_S = 1.0
"""Seconds after which a pull that got lost with its broker is repeated."""


@asynccontextmanager
async def subscribed(
    chassis: Chassis[Any],
    stream: Stream,
    consumer: str,
    subject: str,
    handle: Callable[[Msg], Awaitable[object]],
    *,
    workers: int,
) -> AsyncGenerator[None]:
    """Handle the messages of a durable consumer, `workers` at a time, until the end of the block."""
    settings = chassis.settings
    await ensure_consumer(
        chassis.js,
        stream,
        consumer,
        filter_subject=subject,
        ack_wait=nanoseconds(settings.ack_wait_s),
        max_ack_pending=4 * workers,
    )
    delivery = Delivery(chassis.js, stream=stream.name, consumer=consumer, max_attempts=settings.max_attempts)

    async def on_message(message: Msg) -> None:
        await delivery.conclude(message, handle)

    subscriber = chassis.broker.subscriber(
        subject,
        stream=JStream(stream.name, declare=False),
        durable=consumer,
        pull_sub=PullSub(batch_size=workers, timeout=_STALL_S),
        max_workers=workers,
        decoder=_as_it_came,
    )
    subscriber(on_message)
    await subscriber.start()
    try:
        yield
    finally:
        await subscriber.stop()


async def _as_it_came(message: NatsMessage) -> Msg:
    """Decode nothing: the handler judges the body, and says what is wrong with it."""
    return message.raw_message
