"""What one connection says and asks on core subjects, where nothing is kept: whoever does not listen misses it.

A body that is too large for a message is stored beside it (`payloads`), and whoever hears the message here gets it whole.
"""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import BadHeaderError, BadSubjectError, Error as NatsError

from towpath_chassis.answers import Answers
from towpath_chassis.errors import (
    BrokerError,
    NoResponderError,
    PayloadLostError,
    UnconfirmedError,
    UnsendableError,
)
from towpath_chassis.messages import StoredMessage, status_of
from towpath_chassis.payloads import Payloads, is_by_reference, named, without_reference
from towpath_chassis.wire import barrier, size_of
from towpath_schemas.envelope import PAYLOAD_HEADER
from towpath_schemas.payloads import MAX_MESSAGE_BYTES

log = structlog.get_logger(__name__)

ANSWER_WITHIN_S = 5.0
_BUSY = 503


class Core:
    """The core subjects, as one connection reaches them; what else it can is `JetStream`."""

    def __init__(self, nats: Client, payloads: Payloads) -> None:
        self.nats = nats
        self.payloads = payloads
        self._answers = Answers(nats.new_inbox())
        self._loop = asyncio.get_running_loop()
        self.on_reconnect: list[Callable[[], None]] = []

    def disconnected(self) -> None:
        """Tell everyone who waits that no answer will come: the connection it was to come on is gone."""
        self._answers.give_up()

    def reconnected(self) -> None:
        """Tell everyone who asked that a connection stands again."""
        for tell in self.on_reconnect:
            tell()

    async def open(self) -> None:
        """Subscribe the inbox."""
        await self.subscribe(self._answers.subjects, self._answers.heard, whole=False)
        with suppress(NatsError):  # silent, or away: the subscription is told when it is there again
            await barrier(self.nats)

    async def sweep(self) -> None:
        """Tell, for ever, those whose answer is overdue that none will come."""
        await self._answers.sweep()

    async def subscribe(
        self,
        subject: str,
        take: Callable[[Msg], Awaitable[None]],
        *,
        queue: str = "",
        whole: bool = True,
    ) -> Subscription:
        """Listen on a core subject; of those who share a `queue` only one gets each message.

        With `whole`, a message whose payload is lost is not given to `take`: nobody is sure to get what comes here.
        """
        on_message = partial(self._take_whole, take) if whole else take
        return await self.nats.subscribe(subject, queue, on_message)  # pyright: ignore[reportUnknownMemberType]

    async def _take_whole(self, take: Callable[[Msg], Awaitable[None]], message: Msg) -> None:
        if not is_by_reference(message.headers):
            await take(message)
            return
        try:
            whole = await self.whole(message)
        except BrokerError as error:
            log.warning("a message cannot be read", subject=message.subject, reason=str(error))
        else:
            await take(whole)

    async def whole(self, message: Msg) -> Msg:
        """Return a message with its own body, where that had to be kept beside it.

        Raises:
            PayloadLostError: If it is not kept any more, or damaged.
            UnconfirmedError: If the broker could not be asked.
        """
        if not is_by_reference(message.headers):
            return message
        body = await self.payloads.fetch(named(message.data))
        return replace(message, data=body, headers=without_reference(message.headers))

    async def whole_stored(self, message: StoredMessage) -> StoredMessage:
        """Do what `whole` does, for a message as it was read from its stream."""
        if PAYLOAD_HEADER not in message.headers:
            return message
        body = await self.payloads.fetch(named(message.body))
        return message._replace(body=body, headers=without_reference(message.headers))

    @staticmethod
    async def unsubscribe(subscription: Subscription) -> None:
        """Stop listening; without a connection there is nothing to stop."""
        with suppress(NatsError):
            await subscription.unsubscribe()

    async def tell(
        self, subject: str, body: bytes, *, reply_to: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Send a message that may get lost: without a connection, or with no such subject, it is dropped.

        Whoever answers it tells `reply_to`.
        """
        with suppress(NatsError, BrokerError):
            body, headers = await self._under_way(subject, body, headers)
            await self.nats.publish(subject, body, reply_to, headers=headers)

    async def respond(self, message: Msg, body: bytes) -> None:
        """Answer a question; where the connection is gone nobody is told, and whoever asked asks again."""
        if message.reply:
            await self.tell(message.reply, body)

    async def request(self, subject: str, body: bytes, *, within_s: float = ANSWER_WITHIN_S) -> Msg:
        """Ask whoever listens on a core subject.

        Raises:
            NoResponderError: If nobody listens.
            UnsendableError: If it is larger than any payload may be.
            UnconfirmedError: If no answer came in `within_s` seconds.
        """
        body, headers = await self._under_way(subject, body, None)
        answer = await self._ask(subject, body, headers, within_s)
        if status_of(answer) == str(_BUSY) and not answer.data:
            raise NoResponderError(subject)
        return await self._whole_answer(answer)

    async def converse(
        self, subject: str, body: bytes, *, silence_s: float, headers: dict[str, str] | None = None
    ) -> AsyncGenerator[Msg]:
        """Ask someone who answers more than once; ends when nothing was heard for `silence_s` seconds.

        Whoever has heard enough closes the generator (`contextlib.aclosing`).

        Raises:
            NoResponderError: If nobody listens.
            UnsendableError: If the broker takes no such message.
            UnconfirmedError: If the connection is gone.
        """
        body, headers = await self._under_way(subject, body, headers)
        heard: asyncio.Queue[Msg | None] = asyncio.Queue()
        reply = self._answers.expect(heard.put_nowait, silence_s)
        try:
            await self._send(subject, body, headers, reply)
            ends_at = self._loop.time() + silence_s
            while (answer := await heard.get()) is not None:
                if status_of(answer) == str(_BUSY) and not answer.data:
                    raise NoResponderError(subject)
                ends_at = self._loop.time() + silence_s
                self._answers.expect_more(reply, heard.put_nowait, silence_s)
                yield await self._whole_answer(answer)
        finally:
            self._answers.drop(reply)
        if self._loop.time() < ends_at:
            raise UnconfirmedError("the connection to the broker was lost")

    @contextmanager
    def awaiting(self) -> Generator[tuple[str, "asyncio.Future[Msg]"]]:
        """Make a subject of one's own until the end of the block, and the promise of what is told there first.

        What is told while the connection is away is lost, so whoever waits long asks again.
        """
        told: asyncio.Future[Msg] = self._loop.create_future()

        def take(answer: Msg | None) -> None:
            if answer is None:
                self._answers.expect_more(subject, take, math.inf)
            elif not told.done():
                told.set_result(answer)

        subject = self._answers.expect(take, math.inf)
        try:
            yield subject, told
        finally:
            self._answers.drop(subject)

    async def _whole_answer(self, answer: Msg) -> Msg:
        try:
            return await self.whole(answer)
        except PayloadLostError as error:  # then it may be given again
            raise UnconfirmedError(f"an answer is lost: {error}") from error

    async def _under_way(
        self, subject: str, body: bytes, headers: dict[str, str] | None
    ) -> tuple[bytes, dict[str, str] | None]:
        """Write what no stream keeps so that it fits a message."""
        if len(body) <= MAX_MESSAGE_BYTES:
            return body, headers
        return await self.payloads.checked_in(subject, body, headers, lasting=False)

    async def _send(self, subject: str, body: bytes, headers: dict[str, str] | None, reply: str) -> None:
        if (
            size := size_of(headers, body)
        ) > self.nats.max_payload:  # sent all the same, it would cost us the connection
            raise UnsendableError(f"the broker takes no message of {size:,} bytes")
        try:
            await self.nats.publish(subject, body, reply=reply, headers=headers)
        except (BadSubjectError, BadHeaderError) as error:
            raise UnsendableError(
                f"nothing can be sent to {subject!r} with such headers: {error!r}"
            ) from error
        except NatsError as error:
            raise UnconfirmedError(f"no connection to the broker: {error!r}") from error

    async def _ask(
        self,
        subject: str,
        body: bytes,
        headers: dict[str, str] | None,
        within_s: float = ANSWER_WITHIN_S,
    ) -> Msg:
        future: asyncio.Future[Msg | None] = self._loop.create_future()

        def take(answer: Msg | None) -> None:
            if not future.done():
                future.set_result(answer)

        reply = self._answers.expect(take, within_s)
        try:
            await self._send(subject, body, headers, reply)
            answer = await future
        finally:
            self._answers.drop(reply)
        if answer is None:
            raise UnconfirmedError(f"no answer about {subject}")
        return answer
