"""Listens on a core subject for as long as a block lasts."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, suppress

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from towpath_chassis.jetstream import JetStream
from towpath_chassis.wire import barrier


@asynccontextmanager
async def listening(js: JetStream, subject: str, take: Callable[[str, bytes], None]) -> AsyncGenerator[None]:
    """Give subject and body of each message on `subject`, from now on, to `take`."""

    async def on_message(message: Msg) -> None:
        take(message.subject, message.data)

    subscription = await js.subscribe(subject, on_message)
    try:
        with suppress(NatsError):  # not connected: the subscription is told when we are
            await barrier(js.nats)  # the broker knows of it before anything is published that it is for
        yield
    finally:
        with suppress(NatsError):
            await subscription.unsubscribe()
