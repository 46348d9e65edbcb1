"""The public door: publishes requests and waits for the router's word on each.

A request that the broker has is not lost. What may get lost is the router's word; then the journal tells whether
the run exists, because its id is derived from the request.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from uuid import uuid4

from pydantic import ValidationError

from towpath.errors import RequestRefusedError, UnavailableError
from towpath.values import to_json_value
from towpath_chassis.errors import BrokerError, NotStoredError, UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.listening import listening
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.envelope import Envelope
from towpath_schemas.failure import Failure
from towpath_schemas.journal import RunStarted, read_record
from towpath_schemas.requests import MAX_PAYLOAD_BYTES, RequestRefused, RunAccepted, StartRequested
from towpath_schemas.streams import JOURNAL

_LOOK_EVERY_S = 1.0
_RETRY_S = 0.1

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
        if waiting is not None and not waiting.done():
            waiting.set_result(body)

    async def start(
        self,
        component: str,
        input: object,  # noqa: A002 - the word of the request
        *,
        tenant: str,
        idempotency_key: str | None,
        attribution: AttributionClaim | None,
        traceparent: str | None,
        within_s: float,
    ) -> RunAccepted:
        """Ask for a run and wait until it exists.

        Raises:
            RequestRefusedError: If the platform says no.
            UnavailableError: If nobody says anything within `within_s` seconds.
            NotSerialisableError: If JSON cannot carry `input`.
        """
        request_id = uuid4().hex
        asked = StartRequested(
            input=to_json_value(input),
            idempotency_key=idempotency_key or request_id,
            attribution=attribution,
            reply_to=f"{self.inbox}.{request_id}",
        )
        run_id = identity.run_id(tenant, component, asked.idempotency_key or request_id)
        word: _Word = asyncio.get_running_loop().create_future()
        self._waiting[asked.reply_to or ""] = word
        try:
            async with asyncio.timeout(within_s):
                headers = _envelope(request_id, traceparent).headers()
                await self._publish(subjects.request(tenant, "start", component), asked, headers)
                return await self._word(word, run_id, request_id)
        except TimeoutError:
            raise UnavailableError(
                f"no router has taken the request for {component!r} within {within_s:g} s; if it reached the broker "
                f"it is kept there, and its run will be {run_id}"
            ) from None
        finally:
            del self._waiting[asked.reply_to or ""]

    async def _publish(self, subject: str, asked: StartRequested, headers: dict[str, str]) -> None:
        body = asked.to_body()
        if len(body) > MAX_PAYLOAD_BYTES:
            raise RequestRefusedError(too_large(len(body)))
        while True:
            try:
                await self._js.publish(subject, body, headers=headers, message_id=headers["ce-id"])
            except UnconfirmedError:  # publishing it again is no second request
                await asyncio.sleep(_RETRY_S)
            except NotStoredError as error:
                raise UnavailableError(f"the broker refused the request: {error}") from error
            else:
                return

    async def _word(self, word: _Word, run_id: str, request_id: str) -> RunAccepted:
        while True:
            done, _ = await asyncio.wait({word}, timeout=_LOOK_EVERY_S)
            if done:
                return _read_word(word.result())
            if (accepted := await self._found(run_id, request_id)) is not None:
                return accepted

    async def _found(self, run_id: str, request_id: str) -> RunAccepted | None:
        try:
            entry = await self._js.last(JOURNAL, subjects.journal_entry(run_id, 0))
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


def too_large(size: int) -> Failure:
    """Say that a request of `size` bytes is over the limit."""
    message = f"the request has {size:,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}"
    return Failure(code="payload_too_large", message=message)


def _read_word(body: bytes) -> RunAccepted:
    try:
        return RunAccepted.from_body(body)
    except ValidationError:
        raise RequestRefusedError(RequestRefused.from_body(body).failure) from None


def _envelope(request_id: str, traceparent: str | None) -> Envelope:
    return Envelope(
        id=request_id,
        type=event_type_of(StartRequested),
        source="/towpath/client",
        time=datetime.fromtimestamp(time.time(), UTC).isoformat().replace("+00:00", "Z"),
        traceparent=traceparent,
    )
