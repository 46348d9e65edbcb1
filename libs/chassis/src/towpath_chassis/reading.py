"""Reads a stream in its order from a sequence on, for ever: the reader keeps its place itself, the broker keeps none.

Each message comes once. What the broker forgets when it restarts is only a consumer that lived in its memory; the
reader makes another from the message after the last one it got. A hole in the consumer's own count does the same, and
so does a pull that ends with more messages sent than have come: nothing need follow the one that is missing.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any, NamedTuple, Self
from uuid import uuid4

import orjson
import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from towpath_chassis.errors import BrokerError
from towpath_chassis.insisting import until_answered
from towpath_chassis.jetstream import JetStream
from towpath_chassis.payloads import is_by_reference, named, without_reference
from towpath_schemas.streams import Stream

log = structlog.get_logger(__name__)

_PULL_EXPIRES_S = 5.0
_GRACE_S = 1.0
_RETRY_S = 0.2
_FORGOTTEN_AFTER_S = 15.0
_PULL_BYTES = 16 * 1024 * 1024
_NOBODY_ANSWERS = "503"
_NOT_SENT = "Nats-Pending-Messages"
_NANOSECONDS = 1_000_000_000
_SHORT_REPLY = 9


class Got(NamedTuple):
    """One message as it stands in its stream; `at` is when the broker stored it, in seconds since 1970."""

    subject: str
    sequence: int
    body: bytes
    headers: dict[str, str]
    at: float = 0.0


class Reader(AsyncIterator[list[Got]]):
    """Yields the messages in lists, none of them empty; made by `reading`."""

    def __init__(
        self,
        js: JetStream,
        stream: Stream,
        subject: str,
        *,
        start: int,
        limit: int,
        linger_s: float,
        whole: bool,
    ) -> None:
        self._js = js
        self._stream = stream
        self._subject = subject
        self._limit = limit
        self._linger_s = linger_s
        self._whole = whole
        self._next = max(start, 1)
        self.inbox = js.nats.new_inbox()
        self._consumer: str | None = None
        self._counted = 0
        self._wanted = 0
        self._pulls = 0
        self._got: list[Got] = []
        self._stirred = asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Got]:
        while not self._got:
            await self._pull()
        if self._linger_s and len(self._got) < self._limit:
            await asyncio.sleep(self._linger_s)
        count = len(self._got)
        got = await self._made_whole(self._got[:count]) if self._whole else self._got[:count]
        del self._got[: len(got)]  # not before: whoever gives up waiting for this may come back
        return got

    async def _made_whole(self, got: list[Got]) -> list[Got]:
        """Fetch what is kept beside messages; only so many are returned that they fit in memory."""
        made: list[Got] = []
        room = _PULL_BYTES
        for one in got:
            if is_by_reference(one.headers):
                if made and room < named(one.body).size:
                    break
                one = await self._fetched(one)  # noqa: PLW2901 - the same message
                room -= len(one.body)
            made.append(one)
        return made

    async def _fetched(self, got: Got) -> Got:
        body = await until_answered(partial(self._js.payloads.fetch, named(got.body)))
        return got._replace(body=body, headers=without_reference(got.headers))

    @property
    def _pull_inbox(self) -> str:
        return f"{self.inbox}.{self._pulls}"

    def forget(self) -> None:
        """Take the consumer for lost, and make another at the next read."""
        self._consumer, self._wanted = None, 0
        self._stirred.set()

    async def take(self, message: Msg) -> None:
        """Take what comes to the inbox."""
        if message.reply.startswith("$JS.ACK."):
            self._take_message(message)
        elif message.subject == self._pull_inbox and message.headers:
            lost = int(message.headers.get(_NOT_SENT, self._wanted)) != self._wanted
            self._wanted = 0  # the pull ended: expired, complete, or with its consumer
            if lost or message.headers.get("Status") == _NOBODY_ANSWERS:
                self.forget()
        self._stirred.set()

    async def close(self) -> None:
        """Let the broker forget the consumer now."""
        if self._consumer is not None:
            with suppress(BrokerError):
                await self._js.api(f"CONSUMER.DELETE.{self._stream.name}.{self._consumer}")

    def _take_message(self, message: Msg) -> None:
        consumer, sequence, count, at = _place(message.reply)
        if consumer != self._consumer:
            return  # a consumer that was given up speaks once more
        if count != self._counted + 1:
            self.forget()
            return
        self._counted, self._next = count, sequence + 1
        self._wanted -= 1
        self._got.append(Got(message.subject, sequence, message.data, message.headers or {}, at))

    async def _pull(self) -> None:
        """Wait until something came, or it is time to ask again."""
        self._stirred.clear()
        try:
            if self._consumer is None:
                await self._make_consumer()
            if self._wanted <= 0:
                await self._ask()
        except (BrokerError, NatsError) as error:
            log.debug("cannot read a stream now", stream=self._stream.name, reason=str(error))
            self.forget()
            await asyncio.sleep(_RETRY_S)
            return
        await self._until_stirred()

    async def _until_stirred(self) -> None:
        try:
            async with asyncio.timeout(_PULL_EXPIRES_S + _GRACE_S):
                await self._stirred.wait()
        except TimeoutError:  # not even the end of our pull was told
            self.forget()

    async def _make_consumer(self) -> None:
        name = f"reader-{uuid4().hex[:16]}"
        config = {
            "name": name,
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": self._next,
            "ack_policy": "none",
            "filter_subject": self._subject,
            "inactive_threshold": int(_FORGOTTEN_AFTER_S * _NANOSECONDS),
            "mem_storage": True,
            "num_replicas": 1,
        }
        question: dict[str, Any] = {"stream_name": self._stream.name, "config": config, "action": "create"}
        await self._js.api(f"CONSUMER.CREATE.{self._stream.name}.{name}", question)
        self._consumer, self._counted, self._wanted = name, 0, 0

    async def _ask(self) -> None:
        question = {
            "batch": self._limit,
            "max_bytes": _PULL_BYTES,
            "expires": int(_PULL_EXPIRES_S * _NANOSECONDS),
        }
        self._wanted = self._limit
        self._pulls += 1  # so that the end of the pull before is not taken for the end of this one
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream.name}.{self._consumer}"
        await self._js.nats.publish(subject, orjson.dumps(question), reply=self._pull_inbox)


@asynccontextmanager
async def reading(
    js: JetStream,
    stream: Stream,
    subject: str,
    *,
    start: int,
    limit: int = 512,
    linger_s: float = 0.0,
    whole: bool = True,
) -> AsyncGenerator[Reader]:
    """Read the messages of `stream` whose subject matches, from sequence `start` on, as they come.

    Args:
        js: The connection.
        stream: The stream.
        subject: A subject, or a pattern.
        start: The first sequence that may come.
        limit: How many messages are asked for at once; so many may wait in memory.
        linger_s: Seconds to wait for more after the first of a list: fewer, longer lists cost less.
        whole: Whether messages come whole; else those that only name their payload come as they stand. A payload
            that is lost ends the reading with a `PayloadLostError`.
    """
    reader = Reader(js, stream, subject, start=start, limit=limit, linger_s=linger_s, whole=whole)
    subscription = await js.subscribe(f"{reader.inbox}.*", reader.take, whole=False)
    js.on_reconnect.append(reader.forget)
    try:
        yield reader
    finally:
        js.on_reconnect.remove(reader.forget)
        with suppress(NatsError):
            await subscription.unsubscribe()
        await reader.close()


def _place(reply: str) -> tuple[str, int, int, float]:
    """Read consumer, stream sequence, consumer sequence and time from a delivery's reply subject."""
    tokens = reply.split(".")
    first = 3 if len(tokens) == _SHORT_REPLY else 5  # the long form names a domain and an account as well
    sequence, count, at_ns = tokens[first + 2 : first + 5]
    return tokens[first], int(sequence), int(count), int(at_ns) / _NANOSECONDS
