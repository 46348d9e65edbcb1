"""Forgets runs that have ended: their journals, claims and whatever waits for them; the audit trail keeps that they were.

First the journal says so, in an entry that is kept for some days, then all else of the run is removed. A claim is kept
as long: a dispatch that somebody still has, or gets, must not look like the first of a new run. Whoever dies in between
is made up for by the next delivery of the request.
"""

import time
from typing import NamedTuple

from towpath_chassis.delivery import RetryLater
from towpath_chassis.inbox import CLOSED
from towpath_chassis.jetstream import JetStream
from towpath_chassis.journal import FORGETTING, claim, newest_claim, newest_outline
from towpath_chassis.messages import Expect, StoredMessage
from towpath_chassis.snapshots import forget_snapshot
from towpath_router.lines import Lines
from towpath_router.requests import Asked, RefusedError
from towpath_router.runs import Runs
from towpath_router.succession import Succession
from towpath_schemas import subjects
from towpath_schemas.audit import AuditEvent
from towpath_schemas.journal import RunFinished, RunPurged, RunStarted, read_record
from towpath_schemas.requests import ControlRequested, RequestDone
from towpath_schemas.streams import AUDIT, DAY_S, INBOX, JOURNAL, PAYLOADS
from towpath_schemas.succession import heir_of

VERB = "purge"
_NOTED_FOR_S = int(7 * DAY_S)
"""Seconds for which the run's id cannot be used again: longer than any message of its own is remembered anywhere."""
_AUDIT_WITHIN_S = 0.5
_CONCLUDED_WITHIN_S = 0.2


class _Noted(NamedTuple):
    """The note that a run is forgotten, and its sequence in the journal."""

    record: RunPurged
    sequence: int


class Purger:
    """Forgets runs."""

    def __init__(self, js: JetStream, runs: Runs, succession: Succession, lines: Lines) -> None:
        self._js = js
        self._runs = runs
        self._succession = succession
        self._lines = lines

    async def purge(self, asked: Asked[ControlRequested]) -> RequestDone:
        """Forget a run, and note who wanted that.

        Raises:
            RefusedError: If the tenant has no such run, or it has not ended.
            RetryLater: If the audit stream has not been told all of it yet.
            FencedError: If another request notes it at the same time.
            UnconfirmedError: If it could not be done to its end.
        """
        run_id = asked.target
        noted = await self._noted(asked) or await self._note(asked)
        await self._js.purge(INBOX, subjects.timers_of(run_id))
        await self._js.clear(INBOX, subjects.inbox_of(run_id))
        await self._js.purge(PAYLOADS, subjects.payloads_of(run_id))
        await forget_snapshot(self._js, run_id)
        await self._keep_off(run_id)
        await self._js.purge(JOURNAL, subjects.journal_of(run_id), before=noted.sequence)
        if noted.record.line is not None:
            await self._lines.forget(noted.record.line, run_id)
        return RequestDone(subject=asked.request.subject, targets=(run_id,))

    async def _noted(self, asked: Asked[ControlRequested]) -> _Noted | None:
        """Find the note that this request has left, if it came before."""
        if subjects.token(asked.target) != asked.target:
            return None  # no run has such an id, and it must not become a pattern
        newest = await self._newest(asked.target)
        note = read_record(newest.body) if newest else None
        if newest is None or not isinstance(note, RunPurged) or note.correlation_id != asked.own_id:
            return None
        return _Noted(note, newest.sequence)

    async def _note(self, asked: Asked[ControlRequested]) -> _Noted:
        started, newest = await self._runs.named(asked), await self._newest(asked.target)
        finished = read_record(newest.body) if newest else None
        if newest is None or not isinstance(finished, RunFinished):
            message = f"run {asked.target!r} has not ended; cancel or terminate it first"
            raise RefusedError("run_active", message)
        await self._see_told(newest.sequence)
        await self._see_concluded(asked.target, finished)
        record = RunPurged(
            at=time.time(),
            component=started.component,
            line=_line_of(asked.target, started, finished),
            reason=asked.said.reason,
            attribution=asked.by,
            correlation_id=asked.own_id,
        )
        _, number = subjects.read_journal_entry(newest.subject)
        unchanged = Expect(newest.sequence, subjects.journal_of(asked.target))
        place = subjects.journal_entry(asked.target, number + 1)
        stored = await self._js.publish(place, record.to_body(), expect=unchanged, kept_s=_NOTED_FOR_S)
        return _Noted(record, stored.sequence)

    async def _keep_off(self, run_id: str) -> None:
        """Leave one claim of all there were: it outlives the note, and nobody takes the run up again meanwhile.

        Raises:
            FencedError: If somebody takes it at the same time.
        """
        newest = await newest_claim(self._js, run_id)
        if newest is None or not newest.forgets:
            epoch = newest.epoch + 1 if newest else 2  # the first claim says that a runner began the run
            newest = await claim(self._js, run_id, FORGETTING, epoch=epoch, kept_s=_NOTED_FOR_S)
        await self._js.clear(JOURNAL, subjects.claims_of(run_id), but=newest.fence)

    async def _newest(self, run_id: str) -> StoredMessage | None:
        return await newest_outline(self._js, subjects.journal_of(run_id))

    async def _see_concluded(self, run_id: str, finished: RunFinished) -> None:
        """See that what its end leads to was done: its parent told, its places freed, its successor made."""
        is_told = await self._js.last(INBOX, subjects.inbox(run_id, CLOSED, run_id)) is None
        if not (is_told and await self._has_handed_over(run_id, finished)):
            raise RetryLater("what the end of the run leads to is not done yet", after_s=_CONCLUDED_WITHIN_S)

    async def _has_handed_over(self, run_id: str, finished: RunFinished) -> bool:
        """Tell whether nobody is about to go on from a run: where it took too long, the news of its end is lost."""
        if heir_of(run_id, finished) is None or finished.at < time.time() - INBOX.max_age_s:
            return True
        line = await self._succession.find(run_id)
        return line is None or line.has_ended or line.newest != run_id

    async def _see_told(self, sequence: int) -> None:
        """See that the audit stream, which is told in the journal's order, has everything up to a sequence of it."""
        newest = await self._js.last(AUDIT, subjects.EVERY_AUDIT_EVENT)
        if newest is None or AuditEvent.from_body(newest.body).source_sequence < sequence:
            raise RetryLater("the audit stream has not been told all of the run yet", after_s=_AUDIT_WITHIN_S)


def _line_of(run_id: str, started: RunStarted, finished: RunFinished) -> str | None:
    """Name the first run of the line that a run is in; None where it is in none."""
    if started.line is not None:
        return started.line.first
    return None if heir_of(run_id, finished) is None else run_id
