"""Publishes again what a stream has, in its order, on another subject; the stream stays as it is."""

import asyncio
from collections.abc import AsyncGenerator
from typing import NamedTuple
from uuid import uuid4

from nats.errors import Error as NatsError

from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import StoredMessage
from towpath_chassis.wire import Outgoing, barrier, publish_together, size_of
from towpath_schemas.envelope import senders_headers
from towpath_schemas.streams import Stream

_PAGE = 64


class Span(NamedTuple):
    """What is meant of a stream: messages whose subject matches `subject`, from sequence `start` through `end`."""

    subject: str
    start: int
    end: int


async def replayed(
    js: JetStream, stream: Stream, span: Span, into: str, *, limit: int | None = None
) -> AsyncGenerator[list[int]]:
    """Publish what is meant on `into`, and tell page by page the sequences of what the broker has then.

    Where a stream keeps `into`, each message is stored there once, in order.

    Raises:
        BrokerError: If it could not be done to the end; a part of what follows the last page may be published.
    """
    kept = bool((await js.api("STREAM.NAMES", {"subject": into})).get("streams"))
    replay_id, start, left = uuid4().hex, span.start, limit
    while start <= span.end and left != 0:
        count = _PAGE if left is None else min(_PAGE, left)
        page = await js.following(stream, span.subject, start=start, limit=count, whole=False)
        page = [message for message in page if message.sequence <= span.end]
        if not page:
            return
        outgoing = [_outgoing(js, stream, message, into) for message in page]
        sequences = [message.sequence for message in page]
        if kept:
            ids = [f"{replay_id}:{sequence}" for sequence in sequences]
            await _store(js, outgoing, ids)
        else:
            await _send(js, outgoing)
        yield sequences
        start, left = sequences[-1] + 1, left if left is None else left - len(page)


async def _store(js: JetStream, outgoing: list[Outgoing], ids: list[str]) -> None:
    publishing = (
        js.publish(message.subject, message.body, headers=message.headers, message_id=one)
        for message, one in zip(outgoing, ids, strict=True)
    )
    await asyncio.gather(*publishing)


async def _send(js: JetStream, outgoing: list[Outgoing]) -> None:
    try:
        await publish_together(js.nats, outgoing)
        await barrier(js.nats)
    except NatsError as error:
        raise UnconfirmedError(f"no connection to the broker: {error!r}") from error


def _outgoing(js: JetStream, stream: Stream, message: StoredMessage, into: str) -> Outgoing:
    said = senders_headers(message.headers)
    place = {
        "Towpath-Stream": stream.name,
        "Towpath-Sequence": str(message.sequence),
        "Towpath-Subject": message.subject,
        "Towpath-Time": message.at,
    }
    told = {**said, **place}
    fits = size_of(told, message.body) <= js.nats.max_payload - _MESSAGE_ID_BYTES
    return Outgoing(into, told if fits else said, message.body)


_MESSAGE_ID_BYTES = 80
