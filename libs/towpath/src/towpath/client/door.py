"""The public door: publishes requests and waits for the router's word on each.

A request that the broker has is not lost. What may get lost is the router's word; then the journal tells whether
the run exists, because its id is derived from the request.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import TypeVar
from uuid import uuid4

from pydantic import ValidationError

from towpath.errors import RequestRefusedError, UnavailableError
from towpath_chassis.errors import BrokerError, NotStoredError
from towpath_chassis.insisting import until_answered
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_chassis.listening import listening
from towpath_schemas import identity, subjects
from towpath_schemas.calls import Answered
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.envelope import Envelope
from towpath_schemas.journal import RunStarted, read_record
from towpath_schemas.payloads import MAX_PAYLOAD_BYTES, too_large
from towpath_schemas.requests import (
    BroadcastRequested,
    EntityCallRequested,
    RequestDone,
    Requested,
    RequestRefused,
    RunAccepted,
    SignalRequested,
    StartRequested,
)
from towpath_schemas.shape import Shape

_LOOK_EVERY_S = 1.0
_ASK_AGAIN_S = 5.0

ShapeT = TypeVar("ShapeT", bound=Shape)
_Word = asyncio.Future[bytes]


class Door:
    """One connection's way to the router; made by `door`."""

    def __init__(self, js: JetStream) -> None:
        self.inbox = js.nats.new_inbox()
        self._js = js
        self._waiting: dict[str, _Word] = {}

    def take(self, subject: str, body: bytes) -> None:
        """Take the router's word on a request."""
        waiting = self._waiting.get(subject)
        if (
            body and waiting is not None and not waiting.done()
        ):  # the broker says by an empty one that nobody heard us
            waiting.set_result(body)

    async def start(
        self,
        component: str,
        asked: StartRequested,
        *,
        tenant: str,
        traceparent: str | None,
        within_s: float,
    ) -> RunAccepted:
        """Ask for a run and wait until it exists.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything within `within_s` seconds.
        """
        request_id = uuid4().hex
        key = asked.idempotency_key or request_id
        run_id = identity.run_id(tenant, component, key)
        asked = asked.model_copy(update={"idempotency_key": key, "reply_to": f"{self.inbox}.{request_id}"})
        with self._hearing(asked) as word:
            try:
                async with asyncio.timeout(within_s):
                    headers = _envelope(request_id, asked, traceparent).headers()
                    subject = subjects.request(tenant, "start", component)
                    await self._publish(subject, asked, headers, message_id=request_id)
                    return await self._word(word, run_id, request_id)
            except TimeoutError:
                raise UnavailableError(
                    f"no router has taken the request for {component!r} within {within_s:g} s; if it reached the broker "
                    f"it is kept there, and its run will be {run_id}"
                ) from None

    async def ask(
        self, verb: str, target: str, asked: Requested, *, tenant: str, within_s: float
    ) -> RequestDone:
        """Ask for something that starts no run, and wait until it is done.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything within `within_s` seconds.
        """
        subject = subjects.request(tenant, verb, target)
        return _read_word(await self._said_about(subject, asked, within_s), RequestDone)

    async def ask_for_run(
        self, verb: str, target: str, asked: Requested, *, tenant: str, within_s: float
    ) -> RunAccepted:
        """Ask for something that starts a run which is known by its answer only, and wait until it exists.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything within `within_s` seconds.
        """
        subject = subjects.request(tenant, verb, target)
        return _read_word(await self._said_about(subject, asked, within_s), RunAccepted)

    async def call_entity(
        self, entity_type: str, asked: EntityCallRequested, *, tenant: str, within_s: float
    ) -> Answered:
        """Ask for a call of an entity, and wait for its outcome.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If there is no outcome within `within_s` seconds.
        """
        subject = subjects.request(tenant, "entity", entity_type)
        return _read_word(await self._said_about(subject, asked, within_s), Answered)

    async def _said_about(self, subject: str, asked: Requested, within_s: float) -> bytes:
        request_id = uuid4().hex
        asked = asked.model_copy(update={"reply_to": f"{self.inbox}.{request_id}"})
        with self._hearing(asked) as word:
            try:
                async with asyncio.timeout(within_s):
                    return await self._answered(word, subject, asked, request_id)
            except TimeoutError:
                _, verb, target = subjects.read_request(subject)
                raise UnavailableError(
                    f"nobody has said within {within_s:g} s how the request {verb!r} about {target!r} ended; if it "
                    "reached the broker it is kept there, and will be done"
                ) from None

    async def _answered(self, word: _Word, subject: str, asked: Requested, request_id: str) -> bytes:
        """Ask, and ask again where no word came, which may have got lost; by its id the router knows it is the same."""
        headers = _envelope(request_id, asked, None).headers()
        for attempt in count():
            await self._publish(subject, asked, headers, message_id=f"{request_id}:{attempt}")
            done, _ = await asyncio.wait({word}, timeout=_ASK_AGAIN_S)
            if done:
                break
        return word.result()

    @contextmanager
    def _hearing(self, asked: Requested) -> Generator[_Word]:
        """Hear the router's word on a request until the end of the block."""
        reply_to = asked.reply_to or ""
        word = self._waiting[reply_to] = asyncio.get_running_loop().create_future()
        try:
            yield word
        finally:
            del self._waiting[reply_to]

    async def _publish(
        self, subject: str, asked: Requested, headers: dict[str, str], *, message_id: str
    ) -> None:
        body = asked.to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            raise RequestRefusedError(too_large(_what(asked), len(body)))
        publish = partial(self._js.publish, subject, body, headers=headers, message_id=message_id)
        try:
            await until_answered(publish)  # to publish it again is no second request
        except NotStoredError as error:
            raise UnavailableError(f"the broker refused the request: {error}") from error

    async def _word(self, word: _Word, run_id: str, request_id: str) -> RunAccepted:
        while True:
            done, _ = await asyncio.wait({word}, timeout=_LOOK_EVERY_S)
            if done:
                return _read_word(word.result(), RunAccepted)
            if (accepted := await self._found(run_id, request_id)) is not None:
                return accepted

    async def _found(self, run_id: str, request_id: str) -> RunAccepted | None:
        try:
            entry = await newest_outline(self._js, subjects.journal_entry(run_id, 0))
            started = read_record(entry.body) if entry else None
        except (BrokerError, ValidationError):
            return None
        if not isinstance(started, RunStarted):
            return None
        existed = started.correlation_id != request_id
        return RunAccepted(run_id=run_id, component=started.component, existed=existed)


@asynccontextmanager
async def door(js: JetStream) -> AsyncGenerator[Door]:
    """Open the door for the length of the block."""
    opened = Door(js)
    async with listening(js, f"{opened.inbox}.*", opened.take):
        yield opened


def _what(asked: Requested) -> str:
    """Name the part of a request that makes it large."""
    match asked:
        case StartRequested():
            return "the request with its input"
        case EntityCallRequested():
            return "the call with its arguments"
        case SignalRequested() | BroadcastRequested():
            return "the signal with its payload"
        case _:
            return "the request"


def _read_word(body: bytes, shape: type[ShapeT]) -> ShapeT:
    try:
        return shape.from_body(body)
    except ValidationError:
        raise RequestRefusedError(RequestRefused.from_body(body).failure) from None


def _envelope(request_id: str, asked: Requested, traceparent: str | None) -> Envelope:
    return Envelope(
        id=request_id,
        type=event_type_of(type(asked)),
        source="/towpath/client",
        time=datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z"),
        traceparent=traceparent,
    )
