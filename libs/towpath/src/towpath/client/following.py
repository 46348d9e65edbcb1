"""Follows the audit stream: of one run, or of all that a tenant, an agent or a kind of act leaves in it."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import get_args

from pydantic import ValidationError

from towpath.client.views import entry_0
from towpath.errors import UnavailableError, UnknownRunError
from towpath_chassis.errors import BrokerError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Got, reading
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.envelope import header_value
from towpath_schemas.journal import RunEnd, read_record
from towpath_schemas.streams import AUDIT

_LAST_WORDS = frozenset({("run", end) for end in get_args(RunEnd)} | {("request", "refused")})


async def events(
    js: JetStream,
    *,
    tenant: str | None = None,
    agent: str | None = None,
    kind: str | None = None,
    since: datetime | None = None,
) -> AsyncGenerator[AuditEvent]:
    """Yield audit events as they are told, for ever; from now on, or from those told since `since`."""
    pattern = subjects.audit_filter(tenant=tenant, agent=agent, kind=kind)
    start = await _start(js, pattern, _rfc3339(since) if since else None)
    async with reading(js, AUDIT, pattern, start=start) as batches:
        async for batch in batches:
            for got in batch:
                if (event := _read(got)) is not None:
                    yield event


async def events_of_run(js: JetStream, run_id: str) -> AsyncGenerator[AuditEvent]:
    """Yield the audit events of one run, from its first to its last.

    Raises:
        UnknownRunError: If there is no such run.
    """
    first = await entry_0(js, run_id)
    if first is None:
        raise UnknownRunError(run_id)
    tenant = getattr(getattr(read_record(first.body), "attribution", None), "tenant", None)
    pattern = subjects.audit_filter(tenant=tenant)
    start = await _start(js, pattern, first.at)  # nothing is told before it is journaled
    async with reading(js, AUDIT, pattern, start=start) as batches:
        async for batch in batches:
            for got in batch:
                event = _read(got) if header_value(got.headers, "ce-runid") == run_id else None
                if event is None:
                    continue
                yield event
                if (event.kind, event.action) in _LAST_WORDS:
                    return


async def _start(js: JetStream, pattern: str, since: str | None) -> int:
    try:
        end = await js.last_sequence(AUDIT) + 1  # asked first: what is told meanwhile is behind it
        first = await js.first_since(AUDIT, pattern, since) if since else None
    except BrokerError as error:
        raise UnavailableError(f"the audit stream cannot be read now: {error}") from error
    return first.sequence if first else end


def _read(got: Got) -> AuditEvent | None:
    try:
        return AuditEvent.from_body(got.body)
    except ValidationError:
        return None  # a newer version told it


def _rfc3339(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
