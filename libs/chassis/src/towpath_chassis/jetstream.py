"""The one place that speaks JetStream's wire protocol: publish with expectations, read directly, ask the API.

All answers come back to one private inbox, so that a publish costs no subscription and no timer of its own:
thousands may be in flight on one connection, and the broker stores them in the order in which they were sent.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import BadHeaderError, BadSubjectError, Error as NatsError

from towpath_chassis.errors import (
    BrokerRefusedError,
    NoResponderError,
    UnconfirmedError,
    UnsendableError,
)
from towpath_chassis.messages import (
    Expect,
    Stored,
    StoredMessage,
    conditions,
    read_message,
    status_of,
    stored,
)
from towpath_chassis.wire import barrier, size_of
from towpath_schemas.streams import Stream

ANSWER_WITHIN_S = 5.0
_SWEEP_S = 0.25
_BUSY = 503
_NO_MESSAGE = "404"
_TOO_MANY = "413"
_NOT_FOUND = frozenset({10014, 10059, 10037})


class _Waiting(NamedTuple):
    deadline: float
    take: Callable[[Msg | None], None]


class JetStream:
    """One connection's door to JetStream; made by `jetstream`."""

    def __init__(self, nats: Client) -> None:
        self.nats = nats
        self._inbox = nats.new_inbox()
        self._waiting: dict[str, _Waiting] = {}
        self._counter = 0
        self._loop = asyncio.get_running_loop()
        self.on_reconnect: list[Callable[[], None]] = []

    def disconnected(self) -> None:
        """Tell everyone who waits that no answer will come: the connection it was to come on is gone."""
        self.give_up()

    def reconnected(self) -> None:
        """Tell everyone who asked that a connection stands again."""
        for tell in self.on_reconnect:
            tell()

    async def open(self) -> None:
        """Subscribe the inbox."""
        await self.subscribe(f"{self._inbox}.*", self._on_answer)
        await barrier(self.nats)

    async def subscribe(
        self,
        subject: str,
        take: Callable[[Msg], Awaitable[None]],
        *,
        queue: str = "",
    ) -> Subscription:
        """Listen on a core subject; of those who share a `queue` only one gets each message."""
        return await self.nats.subscribe(subject, queue, take)  # pyright: ignore[reportUnknownMemberType]

    @staticmethod
    async def unsubscribe(subscription: Subscription) -> None:
        """Stop listening; without a connection there is nothing to stop."""
        with suppress(NatsError):
            await subscription.unsubscribe()

    # --- Publishing -------------------------------------------------------------------------------

    async def publish(
        self,
        subject: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        message_id: str | None = None,
        expect: Expect | None = None,
    ) -> Stored:
        """Store one message.

        Args:
            subject: Its subject, which some stream must keep.
            body: Its body.
            headers: Its headers.
            message_id: A repetition of it within the stream's `dedupe_s` is dropped, and said to be stored.
            expect: The condition under which alone it is stored.

        Raises:
            FencedError: If `expect` does not hold.
            AlreadyWrittenError: If the subject is write-once and taken.
            UnsendableError: If the broker takes no such message.
            NotStoredError: If the broker refused it for another reason.
            UnconfirmedError: If no answer came, or no connection stands.
        """
        written = conditions(headers, message_id, expect)
        return stored(await self._ask(subject, body, written))

    async def schedule(self, subject: str, *, target: str, body: bytes, at: float) -> Stored:
        """Have the broker store a message later, however long everything else is down until then.

        Args:
            subject: The schedule's own subject: publishing to it again replaces it, purging it takes it back.
            target: The subject of the message, in the same stream.
            body: Its body.
            at: When, in seconds since 1970; a moment that is past is now.

        Raises:
            NotStoredError: If the broker refused it.
            UnconfirmedError: If no answer came, or no connection stands.
        """
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        headers = {"Nats-Schedule": f"@at {moment}", "Nats-Schedule-Target": target}
        outlives = {"Nats-TTL": "never"}  # else the stream's `max_age_s` would end it without a word
        return await self.publish(subject, body, headers={**headers, **outlives})

    async def tell(self, subject: str, body: bytes) -> None:
        """Send a message that may get lost: without a connection, or with no such subject, it is dropped."""
        with suppress(NatsError):
            await self.nats.publish(subject, body)

    async def request(self, subject: str, body: bytes, *, within_s: float = ANSWER_WITHIN_S) -> Msg:
        """Ask whoever listens on a core subject.

        Raises:
            NoResponderError: If nobody listens.
            UnconfirmedError: If no answer came in `within_s` seconds.
        """
        answer = await self._ask(subject, body, None, within_s)
        if status_of(answer) == str(_BUSY) and not answer.data:
            raise NoResponderError(subject)
        return answer

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
        heard: asyncio.Queue[Msg | None] = asyncio.Queue()
        token = self._expect_answer(heard.put_nowait, silence_s)
        try:
            await self._send(subject, body, headers, token)
            ends_at = self._loop.time() + silence_s
            while (answer := await heard.get()) is not None:
                if status_of(answer) == str(_BUSY) and not answer.data:
                    raise NoResponderError(subject)
                ends_at = self._loop.time() + silence_s
                self._waiting[token] = _Waiting(ends_at, heard.put_nowait)
                yield answer
        finally:
            self._waiting.pop(token, None)
        if self._loop.time() < ends_at:
            raise UnconfirmedError("the connection to the broker was lost")

    async def _send(self, subject: str, body: bytes, headers: dict[str, str] | None, token: str) -> None:
        if (
            size := size_of(headers, body)
        ) > self.nats.max_payload:  # sent all the same, it would cost us the connection
            raise UnsendableError(f"the broker takes no message of {size:,} bytes")
        try:
            await self.nats.publish(subject, body, reply=f"{self._inbox}.{token}", headers=headers)
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

        token = self._expect_answer(take, within_s)
        try:
            await self._send(subject, body, headers, token)
            answer = await future
        finally:
            self._waiting.pop(token, None)
        if answer is None:
            raise UnconfirmedError(f"no answer about {subject}")
        return answer

    # --- Reading ----------------------------------------------------------------------------------

    async def last(self, stream: Stream, subject: str) -> StoredMessage | None:
        """Read the newest message whose subject matches; None where there is none."""
        found = await self._read(stream, {"last_by_subj": subject}, one=True)
        return found[0] if found else None

    async def at(self, stream: Stream, sequence: int) -> StoredMessage | None:
        """Read the message at a sequence; None where there is none (any more)."""
        found = await self._read(stream, {"seq": sequence}, one=True)
        return found[0] if found else None

    async def newest_of_each(self, stream: Stream, *subjects: str) -> list[StoredMessage]:
        """Read the newest message of every subject that matches, in stream order; 1,024 at the most."""
        return await self._read(stream, {"multi_last": list(subjects), "batch": 1024})

    async def following(
        self,
        stream: Stream,
        subject: str,
        *,
        start: int,
        limit: int = 256,
    ) -> list[StoredMessage]:
        """Read up to `limit` messages whose subject matches, from sequence `start` on."""
        return await self._read(stream, {"seq": start, "next_by_subj": subject, "batch": limit})

    async def first_since(self, stream: Stream, subject: str, since: str) -> StoredMessage | None:
        """Read the oldest message whose subject matches that was stored at `since` (RFC 3339) or later."""
        question = {"next_by_subj": subject, "start_time": since, "batch": 1}
        found = await self._read(stream, question)
        return found[0] if found else None

    async def last_sequence(self, stream: Stream) -> int:
        """Tell the sequence of the newest message that was ever in the stream; 0 before the first."""
        state: dict[str, Any] = (await self.api(f"STREAM.INFO.{stream.name}"))["state"]
        return state["last_seq"]

    async def _read(
        self, stream: Stream, question: dict[str, Any], *, one: bool = False
    ) -> list[StoredMessage]:
        found: list[StoredMessage] = []
        ended: asyncio.Future[str | None] = self._loop.create_future()

        def take(answer: Msg | None) -> None:
            if ended.done():
                return
            status = None if answer is None else status_of(answer)
            if answer is None or status is not None:
                ended.set_result(status)
                return
            found.append(read_message(answer))
            if one:
                ended.set_result(_NO_MESSAGE)

        token = self._expect_answer(take, ANSWER_WITHIN_S)
        try:
            await self.nats.publish(
                f"$JS.API.DIRECT.GET.{stream.name}",
                orjson.dumps(question),
                reply=f"{self._inbox}.{token}",
            )
            status = await ended
        except NatsError as error:
            raise UnconfirmedError(f"no connection to the broker: {error!r}") from error
        finally:
            self._waiting.pop(token, None)
        if status in {_NO_MESSAGE, "204"}:
            return found
        if status == _TOO_MANY:
            raise BrokerRefusedError(int(status), f"too many subjects of {stream.name} match")
        raise UnconfirmedError(f"reading {stream.name} ended with {status or 'no answer'}")

    # --- The API ----------------------------------------------------------------------------------

    async def api(self, call: str, question: dict[str, Any] | None = None) -> dict[str, Any]:
        """Call JetStream's API, such as `STREAM.INFO.JOURNAL`.

        Raises:
            BrokerRefusedError: If the broker says no.
            UnconfirmedError: If no answer came.
        """
        body = b"" if question is None else orjson.dumps(question)
        try:
            answer = await self.request(f"$JS.API.{call}", body)
        except NoResponderError as error:
            raise UnconfirmedError("JetStream is not available") from error
        said: dict[str, Any] = orjson.loads(answer.data)
        if (refusal := said.get("error")) is not None:
            raise BrokerRefusedError(refusal.get("err_code", 0), refusal.get("description", ""))
        return said

    async def info(self, call: str) -> dict[str, Any] | None:
        """Call the API for information; None where there is no such stream, consumer or message."""
        try:
            return await self.api(call)
        except BrokerRefusedError as error:
            if error.code in _NOT_FOUND:
                return None
            raise

    async def purge(self, stream: Stream, subject: str, *, keep: int = 0, before: int | None = None) -> None:
        """Remove the messages whose subject matches: all but the newest `keep`, or those `before` a sequence.

        Where others write to the subject at the same time, only `before` says for sure what stays.
        """
        chosen = {"keep": keep} if before is None else {"seq": before}
        await self.api(f"STREAM.PURGE.{stream.name}", {"filter": subject, **chosen})

    # --- The inbox --------------------------------------------------------------------------------

    def _expect_answer(self, take: Callable[[Msg | None], None], within_s: float) -> str:
        self._counter += 1
        token = str(self._counter)
        self._waiting[token] = _Waiting(self._loop.time() + within_s, take)
        return token

    async def _on_answer(self, answer: Msg) -> None:
        waiting = self._waiting.get(answer.subject.rpartition(".")[2])
        if waiting is not None:
            waiting.take(answer)

    async def sweep(self) -> None:
        """Tell, for ever, those whose answer is overdue that none will come."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            self.give_up(before=self._loop.time())

    def give_up(self, *, before: float = float("inf")) -> None:
        """Tell those whose deadline is earlier than `before` that no answer will come."""
        for token, waiting in list(self._waiting.items()):
            if waiting.deadline <= before:
                del self._waiting[token]
                waiting.take(None)


@asynccontextmanager
async def jetstream(nats: Client) -> AsyncGenerator[JetStream]:
    """Open the door to JetStream on a connection."""
    door = JetStream(nats)
    await door.open()
    sweeper = asyncio.create_task(door.sweep(), name="jetstream-sweeper")
    try:
        yield door
    finally:
        sweeper.cancel()
        with suppress(asyncio.CancelledError):
            await sweeper
