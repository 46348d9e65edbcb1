"""Decides what becomes of a request: a run that exists from now on, or a refusal with its reason."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.messages import Expect
from towpath_chassis.service import Chassis
from towpath_chassis.telemetry import ADMIT
from towpath_router.catalogue import Catalogue
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import RunDispatched
from towpath_schemas.envelope import claimed_headers, header_value
from towpath_schemas.failure import Failure, FailureCode
from towpath_schemas.journal import RunStarted, StartRefused
from towpath_schemas.requests import MAX_PAYLOAD_BYTES, RequestRefused, RunAccepted, StartRequested
from towpath_schemas.shape import Shape
from towpath_schemas.subjects import RequestAddress

_ID_HEADERS = ("ce-id", "Nats-Msg-Id")
_SENT_ALONG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """A request event as it came.

    Attributes:
        own_id: Its id as the sender gave it, else one that stays the same when it is delivered again.
    """

    subject: str
    headers: Mapping[str, str]
    body: bytes
    own_id: str

    @classmethod
    def received(cls, subject: str, headers: Mapping[str, str] | None, body: bytes, place: str) -> "Request":
        """Make a request of a message; `place` identifies the message where it has no id."""
        given = (header_value(headers, name) for name in _ID_HEADERS)
        return cls(subject, headers or {}, body, next((one for one in given if one), f"at:{place}"))


class RefusedError(Exception):
    """A request is not taken.

    Attributes:
        failure: Why.
        reply_to: Whom to tell at once, as far as the request could be read.
    """

    def __init__(self, code: FailureCode, message: str, *, reply_to: str | None = None) -> None:
        super().__init__(message)
        self.failure = Failure(code=code, message=message)
        self.reply_to = reply_to


class Admission:
    """Admits requests: reads, attributes, writes down, dispatches."""

    def __init__(self, chassis: Chassis[Any], catalogue: Catalogue) -> None:
        self._chassis = chassis
        self._js = chassis.js
        self._catalogue = catalogue

    async def admit(self, request: Request) -> None:
        """Start the run that the request asks for.

        Raises:
            GiveUp: If it is refused; the refusal is journaled and the requester told.
        """
        traceparent = header_value(request.headers, "traceparent")
        with self._chassis.tracing.span(ADMIT, parent=traceparent) as inside:
            try:
                address, asked = _read(request)
                await self._start(request, address, asked, inside)
            except RefusedError as refused:
                await self._refuse(request, refused)
                raise GiveUp(refused.failure) from refused

    async def _start(
        self,
        request: Request,
        address: RequestAddress,
        asked: StartRequested,
        traceparent: str | None,
    ) -> None:
        found = await self._catalogue.find(address.target)
        if found is None:
            raise RefusedError("unknown_component", self._unknown(address.target), reply_to=asked.reply_to)
        service, kind = found
        started = RunStarted(
            at=time.time(),
            component=address.target,
            component_kind=kind,
            service=service,
            input=asked.input,
            attribution=Attribution.vouched(address.tenant, asked.attribution),
            correlation_id=request.own_id,
            traceparent=traceparent,
        )
        key = asked.idempotency_key or request.own_id
        run_id = identity.run_id(address.tenant, address.target, key)
        existed = await self._write_down(run_id, started)
        await self._dispatch(run_id, started, existed=existed)
        await self._tell(
            asked.reply_to, RunAccepted(run_id=run_id, component=address.target, existed=existed)
        )

    def _unknown(self, name: str) -> str:
        known = ", ".join(self._catalogue.known) or "none"
        return f"no service offers a component {name!r}; there are: {known}"

    async def _write_down(self, run_id: str, started: RunStarted) -> bool:
        """Write the first entry of the run, from which moment it exists; tell whether it existed before."""
        try:
            await self._js.publish(subjects.journal_entry(run_id, 0), started.to_body(), expect=Expect(0))
        except (FencedError, AlreadyWrittenError):
            return True
        return False

    async def _dispatch(self, run_id: str, started: RunStarted, *, existed: bool) -> None:
        """Hand the run to its runners; again if it existed, since who wrote it down may have died then.

        Entry 0 goes along only if it is the one that was written, and small: JSON in JSON may double in size.
        """
        entry = started.to_body()
        sent_along = None if existed or len(entry) > _SENT_ALONG_BYTES else entry.decode()
        dispatched = RunDispatched(run_id=run_id, reason="start", first_entry=sent_along)
        await self._js.publish(
            subjects.dispatch("start", started.service),
            dispatched.to_body(),
            message_id=f"{run_id}:start",
        )

    async def _refuse(self, request: Request, refused: RefusedError) -> None:
        """Write the refusal down as the only entry of a journal of its own, and tell the requester."""
        record = StartRefused(
            at=time.time(),
            subject=request.subject,
            failure=refused.failure,
            attribution=Attribution(tenant=_tenant_of(request.subject)),
            correlation_id=request.own_id,
            stripped_headers=claimed_headers(request.headers),
        )
        refusal_id = identity.derived_id("refusal", request.subject, request.own_id)
        await self._write_refusal(refusal_id, record)
        await self._tell(refused.reply_to, RequestRefused(subject=request.subject, failure=refused.failure))

    async def _write_refusal(self, refusal_id: str, record: StartRefused) -> None:
        try:
            await self._js.publish(subjects.journal_entry(refusal_id, 0), record.to_body(), expect=Expect(0))
        except (FencedError, AlreadyWrittenError):
            return  # the request was delivered again

    async def _tell(self, reply_to: str | None, answer: Shape) -> None:
        if reply_to is not None:
            await self._js.tell(reply_to, answer.to_body())


def _read(request: Request) -> tuple[RequestAddress, StartRequested]:
    address = _read_address(request.subject)
    if len(request.body) > MAX_PAYLOAD_BYTES:
        raise RefusedError(
            "payload_too_large",
            f"the request has {len(request.body):,} bytes; the limit is {MAX_PAYLOAD_BYTES:,}",
        )
    if address.verb != "start":
        raise RefusedError("unknown_verb", f"{address.verb!r} is not a request; publish to {_START}")
    asked = _read_body(request.body)
    if asked.reply_to is not None and subjects.is_ours(asked.reply_to):
        raise RefusedError(
            "malformed", f"reply_to is {asked.reply_to!r}, the platform's own; name an inbox of yours"
        )
    claimed_tenant = header_value(request.headers, "ce-tenant")
    if claimed_tenant is not None and claimed_tenant != address.tenant:
        raise RefusedError(
            "forged_attribution",
            f"header ce-tenant says {claimed_tenant!r}, the subject {address.tenant!r}; leave the header out",
            reply_to=asked.reply_to,
        )
    return address, asked


_START = "requests.v1.<tenant>.start.<component>"


def _read_body(body: bytes) -> StartRequested:
    try:
        return StartRequested.from_body(body)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
            for problem in error.errors(include_url=False)
        )
        raise RefusedError(
            "malformed",
            f'the body is not a start request ({problems}); send {{"input": ...}} as JSON',
        ) from error


def _read_address(subject: str) -> RequestAddress:
    try:
        address = subjects.read_request(subject)
        Attribution.vouched(address.tenant, None)
    except ValueError as error:
        raise RefusedError("malformed", f"the subject names no tenant: {error}") from error
    return address


def _tenant_of(subject: str) -> str:
    """Tell the tenant that a refusal is attributed to, even if the subject names none."""
    try:
        return _read_address(subject).tenant
    except RefusedError:
        return subjects.NOBODY
