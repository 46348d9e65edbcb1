"""Appends to a stream that has one writer at a time: each message is stored right behind the one before, or not at all."""

from collections.abc import Sequence
from typing import NamedTuple

from nats.errors import Error as NatsError

from towpath_chassis.errors import FencedError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_chassis.wire import Outgoing, publish_together


class Link(NamedTuple):
    """One message of a chain; `id` is its own in the stream, `headers` become the chain's."""

    id: str
    subject: str
    headers: dict[str, str]
    body: bytes


async def append(js: JetStream, links: Sequence[Link], *, after: int) -> int:
    """Store `links` in order, the first right behind sequence `after`; return the last one's sequence.

    Every message expects its forerunner, by sequence and by id, to be the newest of the whole stream. So none can
    be stored without all before it, and one acknowledgement, of the last, speaks for all.

    Raises:
        FencedError: If somebody else has written to the stream; a part of `links` may be stored.
        UnconfirmedError: If no answer came; a part of `links`, or all, may be stored.
    """
    forerunner: Link | None = None
    for sequence, link in enumerate(links, after):
        _expect(link, sequence, forerunner)
        forerunner = link
    *first, last = links
    try:
        await publish_together(js.nats, (Outgoing(link.subject, link.headers, link.body) for link in first))
    except NatsError as error:
        raise UnconfirmedError(f"no connection to the broker: {error!r}") from error
    stored = await js.publish(last.subject, last.body, headers=last.headers)
    if stored.duplicate:
        raise FencedError("somebody else has stored the same message")
    return stored.sequence


def _expect(link: Link, sequence: int, forerunner: Link | None) -> None:
    link.headers["Nats-Msg-Id"] = link.id
    link.headers.update(Expect(sequence, stream_wide=True).headers())
    if forerunner is not None:
        link.headers["Nats-Expected-Last-Msg-Id"] = forerunner.id
