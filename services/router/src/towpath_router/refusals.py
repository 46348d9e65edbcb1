"""Writes down and tells what is refused: a refusal is a journal of one entry, so it is audited like an act."""

import time
from typing import Any

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_router.requests import Asked, RefusedError, Request, cut, read_address, read_reply_to
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.envelope import claimed_headers
from towpath_schemas.failure import Failure
from towpath_schemas.journal import StartRefused
from towpath_schemas.requests import RequestRefused
from towpath_schemas.streams import DAY_S

_KEPT_S = int(30 * DAY_S)
"""Seconds for which the journal keeps a refusal; the audit trail keeps it for ever."""


class Refusals:
    """Refuses requests."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def refuse(self, request: Request, failure: Failure, asked: Asked[Any] | None) -> None:
        """Write the refusal down, and tell the requester; `asked` is the request as far as it could be read."""
        record = StartRefused(
            at=time.time(),
            subject=request.subject,
            failure=failure,
            attribution=asked.by if asked else Attribution(tenant=_tenant_of(request.subject)),
            correlation_id=request.own_id,
            stripped_headers={name: cut(value) for name, value in claimed_headers(request.headers).items()},
        )
        await self.write(identity.derived_id("refusal", request.subject, request.own_id), record)
        reply_to = asked.said.reply_to if asked else read_reply_to(request.body)
        if reply_to is not None:
            refused = RequestRefused(subject=request.subject, failure=failure)
            await self._js.tell(reply_to, refused.to_body())

    async def write(self, refusal_id: str, record: StartRefused) -> None:
        """Write a refusal down, once."""
        try:
            place = subjects.journal_entry(refusal_id, 0)
            await self._js.publish(place, record.to_body(), expect=Expect(0), kept_s=_KEPT_S)
        except (FencedError, AlreadyWrittenError):
            return  # it was refused before


def _tenant_of(subject: str) -> str:
    """Tell the tenant that a refusal is attributed to, even if the subject names none."""
    try:
        return read_address(subject).tenant
    except RefusedError:
        return subjects.NOBODY
