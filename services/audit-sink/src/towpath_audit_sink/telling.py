"""Tells the journal into the audit stream: one event for each entry, in order, none twice, none left out.

The audit stream itself says how far it is told: its newest event names the journal sequence it comes from. Every
event is stored right behind its forerunner or not at all, so what was lost on the way, or a second sink, shows at
once; the answer to both is to look at the newest event again and to go on from there.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_audit_sink.bounding import shorter
from towpath_audit_sink.projection import author, project, unreadable
from towpath_audit_sink.runs import Run, Runs
from towpath_audit_sink.standstill import Standstill
from towpath_chassis.burying import Unhandled, bury
from towpath_chassis.chain import Link, append
from towpath_chassis.errors import BrokerError, FencedError, PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.payloads import Outline, is_by_reference, named, outline_of
from towpath_chassis.reading import Got, reading
from towpath_chassis.telemetry import TELL, Tracing
from towpath_chassis.wire import size_of
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import (
    JournalRecord,
    MemoriesErased,
    RunFinished,
    RunPurged,
    RunStarted,
    StartRefused,
    read_record,
)
from towpath_schemas.payloads import LeftOut
from towpath_schemas.shape import problems
from towpath_schemas.streams import AUDIT, AUDIT_SINK, JOURNAL
from towpath_schemas.telemetry import RUN_ID

log = structlog.get_logger(__name__)

_SEQUENCE = "ce-sequence"
_RETRY_S = 0.2
_LINGER_S = 0.005
_STAND_BY_S = 0.05
_EXPECTATIONS_BYTES = 10_240
_LONGEST_SUBJECT = 3_000
_LONGEST_HEADERS = 64 * 1_024 - _EXPECTATIONS_BYTES


class Told(NamedTuple):
    """How far the audit stream is told: its newest sequence, and the journal sequence that one comes from."""

    audit: int
    journal: int


class Teller:
    """Tells for ever."""

    def __init__(self, js: JetStream, tracing: Tracing, runs: Runs, *, batch: int) -> None:
        self._js = js
        self._tracing = tracing
        self._runs = runs
        self._batch = batch
        self._standstill = Standstill(asyncio.get_running_loop().time)
        self._reads = False

    @property
    def standing(self) -> bool:
        """Whether it can tell, as far as is known."""
        return self._reads and not self._standstill.lasts

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._reads = False
            try:
                await self._tell_behind(await told_so_far(self._js))
            except BrokerError as error:
                log.info("cannot tell now", reason=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _tell_behind(self, told: Told) -> None:
        try:
            await self._tell_from(told)
        except FencedError as error:  # another sink tells, or an acknowledgement was lost: see how far it is
            self._standstill.refused(told.audit, str(error))
            await asyncio.sleep(_STAND_BY_S)

    async def _tell_from(self, told: Told) -> None:
        start = told.journal + 1
        pattern = subjects.EVERY_JOURNAL_ENTRY
        limit = 2 * self._batch
        async with reading(
            self._js, JOURNAL, pattern, start=start, limit=limit, linger_s=_LINGER_S, whole=False
        ) as entries:
            self._reads = True
            async for got in entries:
                for first in range(0, len(got), self._batch):
                    told = await self._tell(got[first : first + self._batch], told)

    async def _tell(self, entries: list[Got], told: Told) -> Told:
        links = [await self._link(entry) for entry in entries]
        sequence = await append(self._js, links, after=told.audit)
        self._standstill.went_on()
        return Told(sequence, entries[-1].sequence)

    async def _link(self, entry: Got) -> Link:
        run_id, number = _place(entry.subject)
        said = await self._said(entry)
        record = said if isinstance(said, str) else _read(said.body)
        known = None if isinstance(record, str) else record
        tells_all = number == 0 or isinstance(known, RunPurged | MemoriesErased)
        run = self._runs.learn(run_id, known) if tells_all else await self._runs.of(run_id)
        left_out: Mapping[str, LeftOut] = {} if isinstance(said, str) else said.left_out
        told = record if isinstance(record, str) else self._told(entry, record, run, left_out)
        if isinstance(told, str):
            return await self._given_up(entry, run, told)
        if isinstance(known, RunStarted | RunFinished | StartRefused):
            self._trace(run)
        return told

    async def _said(self, entry: Got) -> Outline | str:
        """Read what an entry says, without large values, of which digests are told; or why that cannot be."""
        if not is_by_reference(entry.headers):
            return Outline(entry.body, {})
        try:
            whole = named(entry.body)
            return outline_of(entry.body) or Outline(await self._js.payloads.fetch(whole), {})
        except PayloadLostError as lost:
            return str(lost)

    def _told(
        self, entry: Got, record: JournalRecord, run: Run, left_out: Mapping[str, LeftOut]
    ) -> Link | str:
        """Tell an entry, or why that cannot be: one that is odd must not keep all behind it from being told."""
        try:
            acting = self._runs.by(author(record, run), run)
            event = project(record, acting, entry.sequence, left_out)
            told = link(event, entry.subject, acting)
            if not self._fits(told):
                told = link(shorter(event), entry.subject, acting)
        except Exception as error:  # noqa: BLE001 - whatever it is, it comes again with each attempt
            return f"it cannot be told: {error!r}"
        return told if self._fits(told) else "what is to be told of it is too large for a message"

    def _fits(self, told: Link) -> bool:
        return (
            len(told.subject) <= _LONGEST_SUBJECT
            and size_of(told.headers, b"") <= _LONGEST_HEADERS
            and size_of(told.headers, told.body) <= self._js.nats.max_payload - _EXPECTATIONS_BYTES
        )

    async def _given_up(self, entry: Got, run: Run, reason: str) -> Link:
        """Keep a dead letter about an entry, and tell that there is one: all behind it are told as ever."""
        headers, body = entry.headers, entry.body
        message = Unhandled(JOURNAL.name, AUDIT_SINK, entry.subject, entry.sequence, entry.at, headers, body)
        await bury(self._js, message, reason=reason, attempts=1)
        bare = self._runs.bare(run)
        return link(unreadable(entry.subject, entry.at, bare, entry.sequence), entry.subject, bare)

    def _trace(self, run: Run) -> None:
        with self._tracing.span(TELL, parent=run.traceparent, attributes={RUN_ID: run.run_id}):
            """The span says that the sink told it, and when."""


async def told_so_far(js: JetStream) -> Told:
    """Ask the audit stream how far it is told."""
    end = await js.last_sequence(AUDIT)
    for sequence in range(end, 0, -1):  # the newest is ours, unless somebody else wrote behind it
        told = await js.at(AUDIT, sequence)
        with suppress(KeyError, ValueError):
            return Told(end, int(told.headers[_SEQUENCE]) if told else 0)
    return Told(end, 0)


def link(event: AuditEvent, source_subject: str, run: Run) -> Link:
    """Write an event as a message.

    Its id is the place of its record, and the sequence there: an id of a run that is used again, long after the run was
    forgotten, has the same places.
    """
    event_id = f"{source_subject}:{event.source_sequence}"
    headers = {
        **run.headers,
        "ce-id": event_id,
        "ce-time": _rfc3339(event.at),
        _SEQUENCE: str(event.source_sequence),
    }
    subject = subjects.audit(event.attribution.tenant, event.agent, event.kind, event.action)
    return Link(event_id, subject, headers, event.to_body())


def _place(subject: str) -> tuple[str, int]:
    try:
        return subjects.read_journal_entry(subject)
    except ValueError:  # somebody else's message below journal.v1
        return subject, -1


def _read(body: bytes) -> JournalRecord | str:
    """Read a record, or tell why that cannot be."""
    try:
        return read_record(body)
    except ValidationError as error:
        return f"this is no journal record: {problems(error)}"


def _rfc3339(at: float) -> str:
    try:
        seconds, micros = divmod(round(at * 1_000_000), 1_000_000)
    except (ValueError, OverflowError):  # no number, or one without end
        seconds, micros = 0, 0
    return f"{_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return "1970-01-01T00:00:00"
