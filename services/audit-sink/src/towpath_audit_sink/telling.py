"""Tells the journal into the audit stream: one event for each entry, in order, none twice, none left out.

The audit stream itself says how far it is told: its newest event names the journal sequence it comes from. Every
event is stored right behind its forerunner or not at all, so what was lost on the way, or a second sink, shows at
once; the answer to both is to look at the newest event again and to go on from there.
"""

import asyncio
import math
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_audit_sink.projection import project, unreadable
from towpath_audit_sink.runs import Run, Runs
from towpath_chassis.chain import Link, append
from towpath_chassis.errors import BrokerError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.reading import Got, reading
from towpath_chassis.telemetry import RUN_ID, TELL, Tracing
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import JournalRecord, RunFinished, RunStarted, StartRefused, read_record
from towpath_schemas.streams import AUDIT, JOURNAL

log = structlog.get_logger(__name__)

_SEQUENCE = "ce-sequence"
_RETRY_S = 0.2
_LINGER_S = 0.005
_STAND_BY_S = 0.05


class Told(NamedTuple):
    """How far the audit stream is told: its newest sequence, and the journal sequence that one comes from."""

    audit: int
    journal: int


class Teller:
    """Tells for ever; `standing` is whether it could, when it last tried."""

    def __init__(self, js: JetStream, tracing: Tracing, runs: Runs, *, batch: int) -> None:
        self._js = js
        self._tracing = tracing
        self._runs = runs
        self._batch = batch
        self.standing = False

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self.standing = False
            try:
                await self._tell_from(await told_so_far(self._js))
            except FencedError:  # another sink tells, or an acknowledgement was lost: see how far it is
                await asyncio.sleep(_STAND_BY_S)
            except BrokerError as error:
                log.info("cannot tell now", reason=str(error))
                await asyncio.sleep(_RETRY_S)

    async def _tell_from(self, told: Told) -> None:
        start = told.journal + 1
        pattern = subjects.EVERY_JOURNAL_ENTRY
        limit = 2 * self._batch
        async with reading(
            self._js, JOURNAL, pattern, start=start, limit=limit, linger_s=_LINGER_S
        ) as entries:
            self.standing = True
            async for got in entries:
                for first in range(0, len(got), self._batch):
                    told = await self._tell(got[first : first + self._batch], told)

    async def _tell(self, entries: list[Got], told: Told) -> Told:
        links = [await self._link(entry) for entry in entries]
        sequence = await append(self._js, links, after=told.audit)
        return Told(sequence, entries[-1].sequence)

    async def _link(self, entry: Got) -> Link:
        run_id, number = _place(entry.subject)
        record = _read(entry)
        run = self._runs.learn(run_id, record) if number == 0 else await self._runs.of(run_id)
        if record is None:
            log.error("a journal entry cannot be read", subject=entry.subject, sequence=entry.sequence)
            return link(unreadable(entry.subject, entry.at, run, entry.sequence), entry.subject, run)
        if isinstance(record, RunStarted | RunFinished | StartRefused):
            self._trace(run)
        return link(project(record, run, entry.sequence), entry.subject, run)

    def _trace(self, run: Run) -> None:
        with self._tracing.span(TELL, parent=run.traceparent, attributes={RUN_ID: run.run_id}):
            """The span says that the sink told it, and when."""


async def told_so_far(js: JetStream) -> Told:
    """Ask the audit stream how far it is told."""
    newest = await js.last(AUDIT, AUDIT.subjects[0])
    if newest is None:
        return Told(await js.last_sequence(AUDIT), 0)
    with suppress(KeyError, ValueError):
        return Told(newest.sequence, int(newest.headers[_SEQUENCE]))
    return Told(newest.sequence, AuditEvent.from_body(newest.body).source_sequence)


def link(event: AuditEvent, source_subject: str, run: Run) -> Link:
    """Write an event as a message; its id is the place of its record, which is written only once."""
    headers = {
        **run.headers,
        "ce-id": source_subject,
        "ce-time": _rfc3339(event.at),
        _SEQUENCE: str(event.source_sequence),
    }
    subject = subjects.audit(event.attribution.tenant, event.agent, event.kind, event.action)
    return Link(source_subject, subject, headers, event.to_body())


def _place(subject: str) -> tuple[str, int]:
    try:
        return subjects.read_journal_entry(subject)
    except ValueError:  # somebody else's message below journal.v1
        return subject, -1


def _read(entry: Got) -> JournalRecord | None:
    try:
        return read_record(entry.body)
    except ValidationError:
        return None


def _rfc3339(at: float) -> str:
    seconds, micros = divmod(round(at * 1_000_000), 1_000_000) if math.isfinite(at) else (0, 0)
    return f"{_second(seconds)}.{micros:06}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):  # a time that no calendar has
        return "1970-01-01T00:00:00"
