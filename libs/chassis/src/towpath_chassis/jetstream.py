"""The one place that speaks JetStream's wire protocol: publish with expectations, read directly, ask the API.

All answers come back to one private inbox (`answers`): thousands may be in flight on one connection, and the broker
stores them in the order in which they were sent. A body that is too large for a message is stored beside it
(`payloads`), and whoever reads the message here gets it whole.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from towpath_chassis.core import ANSWER_WITHIN_S, Core
from towpath_chassis.errors import (
    BrokerRefusedError,
    NoResponderError,
    UnconfirmedError,
)
from towpath_chassis.messages import (
    Expect,
    Part,
    Stored,
    StoredMessage,
    conditions,
    read_message,
    status_of,
    stored,
)
from towpath_chassis.payloads import Payloads
from towpath_schemas import subjects
from towpath_schemas.payloads import MAX_MESSAGE_BYTES
from towpath_schemas.streams import Stream

_NO_MESSAGE = "404"
_TOO_MANY = "413"
_NOT_FOUND = frozenset({10014, 10059, 10037})


class JetStream(Core):
    """One connection's door to JetStream; made by `jetstream`."""

    def __init__(self, nats: Client) -> None:
        super().__init__(nats, Payloads(self._put, self._newest_as_stored))

    # --- Publishing -------------------------------------------------------------------------------

    async def publish(
        self,
        subject: str,
        body: bytes,
        *,
        headers: dict[str, str] | None = None,
        message_id: str | None = None,
        expect: Expect | None = None,
        kept_s: int | None = None,
    ) -> Stored:
        """Store one message.

        Args:
            subject: Its subject, which some stream must keep.
            body: Its body; on a subject of the platform's own it may be as large as a payload.
            headers: Its headers.
            message_id: A repetition of it within the stream's `dedupe_s` is dropped, and said to be stored.
            expect: The condition under which alone it is stored.
            kept_s: Seconds for which it is kept, in a stream that is `expiring`; None for as long as all others.

        Raises:
            FencedError: If `expect` does not hold.
            AlreadyWrittenError: If the subject is write-once and taken.
            UnsendableError: If the broker takes no such message.
            NotStoredError: If the broker refused it for another reason.
            UnconfirmedError: If no answer came, or no connection stands.
        """
        if len(body) > MAX_MESSAGE_BYTES and subjects.is_ours(subject):
            body, headers = await self.payloads.checked_in(subject, body, headers, lasting=True)
        written = conditions(headers, message_id, expect, kept_s)
        return stored(await self._ask(subject, body, written))

    async def _put(
        self, subject: str, body: bytes, *, headers: dict[str, str] | None, message_id: str
    ) -> Stored:
        return stored(await self._ask(subject, body, conditions(headers, message_id, None, None)))

    async def publish_together(self, parts: Sequence[Part]) -> list[Stored]:
        """Store messages of one stream that is `atomic`: all, or none if one of their conditions does not hold.

        Raises:
            FencedError: If an `expect` does not hold.
            AlreadyWrittenError: If a subject is write-once and taken.
            NotStoredError: If the broker refused them for another reason.
            UnconfirmedError: If no answer came, so that either may be.
        """
        batch_id = uuid4().hex
        *first, last = [
            await self._part(part, batch_id, number, last=number == len(parts))
            for number, part in enumerate(parts, start=1)
        ]
        for subject, body, headers in first:
            await self._send(subject, body, headers, "")
        end = stored(await self._ask(*last)).sequence
        return [Stored(end - behind) for behind in reversed(range(len(parts)))]

    async def _part(
        self, part: Part, batch_id: str, number: int, *, last: bool
    ) -> tuple[str, bytes, dict[str, str]]:
        body, headers = part.body, None
        if len(body) > MAX_MESSAGE_BYTES and subjects.is_ours(part.subject):
            body, headers = await self.payloads.checked_in(part.subject, body, headers, lasting=True)
        batch = {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(number)}
        commit = {"Nats-Batch-Commit": "1"} if last else {}
        return part.subject, body, {**(headers or {}), **part.expect.headers(), **batch, **commit}

    async def schedule(
        self, subject: str, *, target: str, body: bytes, at: float, expect: Expect | None = None
    ) -> Stored:
        """Have the broker store a message later, however long everything else is down until then.

        Args:
            subject: The schedule's own subject: publishing to it again replaces it, purging it takes it back.
            target: The subject of the message, in the same stream.
            body: Its body.
            at: When, in seconds since 1970; a moment that is past is now.
            expect: The condition under which alone it is stored.

        Raises:
            FencedError: If `expect` does not hold.
            NotStoredError: If the broker refused it.
            UnconfirmedError: If no answer came, or no connection stands.
        """
        moment = datetime.fromtimestamp(at, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        headers = {"Nats-Schedule": f"@at {moment}", "Nats-Schedule-Target": target}
        outlives = {"Nats-TTL": "never"}  # else the stream's `max_age_s` would end it without a word
        return await self.publish(subject, body, headers={**headers, **outlives}, expect=expect)

    # --- Reading: messages come whole, or with `whole=False` as they stand (`PayloadLostError`: see `whole`) ---

    async def last(self, stream: Stream, subject: str, *, whole: bool = True) -> StoredMessage | None:
        """Read the newest message whose subject matches; None where there is none."""
        found = await self._read(stream, {"last_by_subj": subject}, one=True, whole=whole)
        return found[0] if found else None

    async def at(self, stream: Stream, sequence: int, *, whole: bool = True) -> StoredMessage | None:
        """Read the message at a sequence; None where there is none (any more)."""
        found = await self._read(stream, {"seq": sequence}, one=True, whole=whole)
        return found[0] if found else None

    async def newest_of_each(self, stream: Stream, *matching: str, whole: bool = True) -> list[StoredMessage]:
        """Read the newest message of every subject that matches, in stream order; 1,024 at the most."""
        return await self._read(stream, {"multi_last": list(matching), "batch": 1024}, whole=whole)

    async def _newest_as_stored(self, stream: Stream, *matching: str) -> list[StoredMessage]:
        return await self.newest_of_each(stream, *matching, whole=False)

    async def following(
        self, stream: Stream, subject: str, *, start: int, limit: int = 256, whole: bool = True
    ) -> list[StoredMessage]:
        """Read up to `limit` messages whose subject matches, from sequence `start` on."""
        question = {"seq": start, "next_by_subj": subject, "batch": limit}
        return await self._read(stream, question, whole=whole)

    async def first_since(self, stream: Stream, subject: str, since: str) -> StoredMessage | None:
        """Find the oldest message whose subject matches that was stored at `since` (RFC 3339) or later."""
        question = {"next_by_subj": subject, "start_time": since, "batch": 1}
        found = await self._read(stream, question, whole=False)
        return found[0] if found else None

    async def last_sequence(self, stream: Stream) -> int:
        """Tell the sequence of the newest message that was ever in the stream; 0 before the first."""
        state: dict[str, Any] = (await self.api(f"STREAM.INFO.{stream.name}"))["state"]
        return state["last_seq"]

    async def _read(
        self, stream: Stream, question: dict[str, Any], *, one: bool = False, whole: bool
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

        reply = self._answers.expect(take, ANSWER_WITHIN_S)
        try:
            await self.nats.publish(
                f"$JS.API.DIRECT.GET.{stream.name}",
                orjson.dumps(question),
                reply=reply,
            )
            status = await ended
        except NatsError as error:
            raise UnconfirmedError(f"no connection to the broker: {error!r}") from error
        finally:
            self._answers.drop(reply)
        if status in {_NO_MESSAGE, "204"}:
            return [await self.whole_stored(one) for one in found] if whole else found
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

        Where others write to the subject at the same time, only `before` says for sure what stays. Not for what a
        consumer delivers and waits to have acknowledged, see `delete`.
        """
        chosen = {"keep": keep} if before is None else {"seq": before}
        await self.api(f"STREAM.PURGE.{stream.name}", {"filter": subject, **chosen})

    async def delete(self, stream: Stream, *sequences: int) -> None:
        """Remove single messages, whether they are still there or not.

        A purge of some subjects of a consumer has nats-server 2.15 take what it has delivered of the others as
        acknowledged: what was in the hands of a process that died would never be delivered again.
        """
        await asyncio.gather(*(self._delete(stream, sequence) for sequence in sequences))

    async def _delete(self, stream: Stream, sequence: int) -> None:
        try:
            await self.api(f"STREAM.MSG.DELETE.{stream.name}", {"seq": sequence, "no_erase": True})
        except BrokerRefusedError:  # which it says in several ways of a message that is not there
            if await self.at(stream, sequence, whole=False) is not None:
                raise

    async def clear(self, stream: Stream, subject: str, *, but: int | None = None) -> None:
        """Remove the messages whose subject matches and that are there by now, one by one; see `delete`.

        Args:
            stream: Where they are.
            subject: Their subject, or a pattern.
            but: The sequence of one that stays.
        """
        start = 1
        while found := await self.following(stream, subject, start=start, whole=False):
            await self.delete(stream, *(message.sequence for message in found if message.sequence != but))
            start = found[-1].sequence + 1


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
