"""Of which run a record is, and for whom the run works: what entry 0 says, remembered for a while."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from typing import Self

from pydantic import ValidationError

from towpath_chassis.errors import PayloadLostError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import newest_outline
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.audit import AuditEvent
from towpath_schemas.catalogue import event_type_of
from towpath_schemas.components import ComponentKind
from towpath_schemas.envelope import Envelope
from towpath_schemas.journal import (
    JournalRecord,
    LetterRedriven,
    MemoriesErased,
    RunPurged,
    RunStarted,
    ScheduleChanged,
    StartRefused,
    read_record,
)

_EVENT_TYPE = event_type_of(AuditEvent)


@dataclass(frozen=True, slots=True)
class Run:
    """What every event of a run says.

    Attributes:
        component: What runs; None where entry 0 is not there to tell.
        component_kind: What kind of component that is, where entry 0 tells.
        agent: The agent that acts where a record names none.
        headers: The headers that all events of the run share.
    """

    run_id: str
    component: str | None
    agent: str | None
    attribution: Attribution
    correlation_id: str
    traceparent: str | None = None
    component_kind: ComponentKind | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def told_by(cls, run_id: str, entry: JournalRecord | None, source: str) -> Self:
        """Learn about a run from its entry 0, or from its absence."""
        match entry:
            case RunStarted():
                agent = entry.component if entry.component_kind == "agent" else None
                of = (entry.component, entry.attribution.agent or agent, entry.attribution)
                caused = (entry.correlation_id, entry.traceparent)
            case RunPurged():
                of = (entry.component, entry.attribution.agent, entry.attribution)
                caused = (entry.correlation_id, None)
            case StartRefused() | LetterRedriven() | ScheduleChanged() | MemoriesErased():
                of = (None, entry.attribution.agent, entry.attribution)
                caused = (entry.correlation_id, None)
            case _:
                of = (None, None, Attribution(tenant=subjects.NOBODY))
                caused = (run_id, None)
        kind = entry.component_kind if isinstance(entry, RunStarted) else None
        headers = _headers(run_id, of[2], *caused, source)
        return cls(run_id, *of, *caused, component_kind=kind, headers=headers)

    def by(self, author: Attribution, source: str) -> Self:
        """Write the same run for what somebody else had to do with it."""
        caused = (self.correlation_id, self.traceparent)
        return replace(self, attribution=author, headers=_headers(self.run_id, author, *caused, source))

    def bare(self, source: str) -> Self:
        """Write the same run without what its requester may have made too long for a message."""
        tenant = self.attribution.tenant
        fits = len(subjects.token(tenant)) <= subjects.LONGEST_TOKEN
        of, caused = Attribution(tenant=tenant if fits else subjects.NOBODY), (self.run_id, None)
        return type(self)(
            self.run_id, None, None, of, *caused, headers=_headers(self.run_id, of, *caused, source)
        )


class Runs:
    """The runs seen lately."""

    def __init__(self, js: JetStream, *, source: str, limit: int) -> None:
        self._js = js
        self._source = source
        self._limit = limit
        self._seen: OrderedDict[str, Run] = OrderedDict()

    def learn(self, run_id: str, entry: JournalRecord | None) -> Run:
        """Remember a run by its entry 0, or by the note that it was forgotten."""
        run = self._seen[run_id] = Run.told_by(run_id, entry, self._source)
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return run

    def by(self, author: Attribution, run: Run) -> Run:
        """Write a run for what `author` had to do with it."""
        return run if author == run.attribution else run.by(author, self._source)

    def bare(self, run: Run) -> Run:
        """Write a run without what its requester may have made too long for a message."""
        return run.bare(self._source)

    async def of(self, run_id: str) -> Run:
        """Tell about a run, reading its entry 0 where it is not remembered.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        run = self._seen.get(run_id)
        if run is None:
            return self.learn(run_id, await self._entry_0(run_id))
        self._seen.move_to_end(run_id)
        return run

    async def _entry_0(self, run_id: str) -> JournalRecord | None:
        try:
            found = await newest_outline(self._js, subjects.journal_entry(run_id, 0))
            return read_record(found.body) if found else None
        except (ValidationError, PayloadLostError):
            return None


def _headers(
    run_id: str, attribution: Attribution, correlation_id: str, traceparent: str | None, source: str
) -> dict[str, str]:
    envelope = Envelope(
        id=subjects.NOBODY,  # id and time are each event's own
        type=_EVENT_TYPE,
        source=source,
        time=subjects.NOBODY,
        traceparent=traceparent,
        correlation_id=correlation_id,
        run_id=run_id,
        attribution=attribution,
    )
    return envelope.headers()
