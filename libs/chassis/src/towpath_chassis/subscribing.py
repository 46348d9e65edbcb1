"""FastStream subscribers on core subjects: questions that are answered at once, and notices.

What must not be lost is pulled from a stream instead (`pulling`). FastStream's own pull subscriber is not used:
on a connection that buffers nothing it spins for as long as the broker is away.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog
from faststream.nats import NatsMessage
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from pydantic import ValidationError

from towpath_chassis.service import Chassis
from towpath_chassis.wire import barrier
from towpath_schemas.shape import Shape, problems

log = structlog.get_logger(__name__)


@asynccontextmanager
async def subscribed(
    chassis: Chassis[Any],
    subject: str,
    handle: Callable[[Msg], Awaitable[Shape | None]],
    *,
    queue: str = "",
    workers: int = 64,
) -> AsyncGenerator[None]:
    """Handle the messages of a core subject, `workers` at a time, until the end of the block.

    What `handle` returns is the answer. Where it fails nobody is answered: whoever asked asks again.
    """

    async def on_message(message: Msg) -> None:
        try:
            answer = await handle(await chassis.js.whole(message))
        except ValidationError as error:
            log.warning("a message cannot be read", subject=message.subject, reason=problems(error))
        except Exception:
            log.exception("a message was not handled", subject=message.subject)
        else:
            if answer is not None:
                await chassis.js.respond(message, answer.to_body())

    subscriber = chassis.broker.subscriber(
        subject,
        queue,
        max_workers=workers,
        decoder=_as_it_came,
        no_reply=True,
    )
    subscriber(on_message)
    await subscriber.start()
    with suppress(NatsError):  # not connected: the subscription is told when we are
        await barrier(chassis.js.nats)  # else a question that is asked now would find nobody
    try:
        yield
    finally:
        with suppress(NatsError):  # not connected: there is nothing to unsubscribe from
            await subscriber.stop()


async def _as_it_came(message: NatsMessage) -> Msg:
    """Decode nothing: the handler judges the body, and says what is wrong with it."""
    return message.raw_message
