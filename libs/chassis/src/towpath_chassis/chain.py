"""Appends to a stream that has one writer at a time: each message is stored right behind the one before, or not at all."""

from collections.abc import Sequence
from typing import NamedTuple

from nats.errors import Error as NatsError

from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import Expect, JetStream


class Link(NamedTuple):
    """One message of a chain."""

    subject: str
    headers: dict[str, str]
    body: bytes


async def append(js: JetStream, links: Sequence[Link], *, after: int) -> int:
    """Store `links` in order, the first right behind sequence `after`; return the last one's sequence.

    Every message expects its forerunner to be the newest of the whole stream. So none can be stored without all
    before it, and one acknowledgement, of the last, speaks for all.

    Raises:
        FencedError: If somebody else has written to the stream; a part of `links` may be stored.
        UnconfirmedError: If no answer came; a part of `links`, or all, may be stored.
    """
    *first, last = links
    try:
        for sequence, link in enumerate(first, after):
            headers = {**link.headers, **Expect(sequence, stream_wide=True).headers()}
            await js.nats.publish(link.subject, link.body, headers=headers)
    except NatsError as error:
        raise UnconfirmedError(f"no connection to the broker: {error!r}") from error
    expect = Expect(after + len(first), stream_wide=True)
    return (await js.publish(last.subject, last.body, headers=last.headers, expect=expect)).sequence
