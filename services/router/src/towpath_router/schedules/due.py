"""Sees to the moments of schedules that have come.

First the record says which moments start a run; then the runs are started, whose ids are derived from the schedule
and the moment; then the record says that they are, and the alarm is set. Whoever dies in between is made up for by
the next look, and of two who look at the same time one finds the other's record.
"""

import random
import time
from contextlib import suppress

from towpath_chassis.errors import FencedError
from towpath_chassis.inbox import keep
from towpath_chassis.jetstream import JetStream
from towpath_router.refusals import Refusals
from towpath_router.requests import RefusedError
from towpath_router.runs import Runs
from towpath_router.schedules.kept import Kept, Schedules
from towpath_router.schedules.moments import due, on_misfire, on_overlap
from towpath_router.schedules.starting import ScheduledRuns
from towpath_router.succession import Succession
from towpath_schemas import identity, subjects
from towpath_schemas.calls import ControlSent
from towpath_schemas.failure import Failure
from towpath_schemas.journal import StartRefused
from towpath_schemas.schedules import ScheduleDue, ScheduleRecord


class DueSchedules:
    """Looks at schedules when their moments have come."""

    def __init__(
        self,
        js: JetStream,
        schedules: Schedules,
        runs: Runs,
        succession: Succession,
        scheduled: ScheduledRuns,
    ) -> None:
        self._js = js
        self._schedules = schedules
        self._runs = runs
        self._succession = succession
        self._scheduled = scheduled
        self._refusals = Refusals(js)

    async def look(self, tenant: str, name: str, told: ScheduleDue, *, now: float) -> None:
        """See to all moments of a schedule up to `now`; one that is gone or another by now is let be.

        Raises:
            GiveUp: If the schedule cannot be read.
            BrokerError: If it could not be done to its end; look again.
        """
        while (kept := await self._schedules.find(tenant, name)) is not None:
            if kept.record.schedule_id != told.schedule_id:
                return
            with suppress(FencedError):  # else somebody has changed it meanwhile: once more
                await self._see_to(kept, now)
                return

    async def _see_to(self, kept: Kept, now: float) -> None:
        if not kept.record.starting:
            kept = await self._decide(kept, now)
        if kept.record.starting:
            kept = await self._start(kept)
        await self._schedules.set_alarm(kept)

    async def _decide(self, kept: Kept, now: float) -> Kept:
        """Write down which of the moments that have come start a run."""
        record = kept.record
        moments = [] if record.paused else due(record, now)
        if not moments:
            return kept
        definition = record.definition
        chosen = on_misfire(definition, moments, now)
        goes_on = definition.overlap == "skip" and await self._run_before(record) is not None
        starting = on_overlap(definition.overlap, chosen, goes_on=goes_on)
        seen = record.seen(
            now,
            starting=tuple(starting[: record.runs_left]),
            missed=record.missed + len(moments) - len(chosen),
            overlapped=record.overlapped + len(chosen) - len(starting),
        )
        return await self._schedules.write(seen, over=kept)

    async def _start(self, kept: Kept) -> Kept:
        """Start the runs that the record says are to be started, and write down that they are."""
        record = kept.record
        if record.definition.overlap == "cancel":
            await self._cancel_run_before(record)
        failures = [await self._start_run(record, moment) for moment in record.starting]
        begun = [moment for moment, failure in zip(record.starting, failures, strict=True) if failure is None]
        last = {"last_at": begun[-1], "last_run_id": _run_id(record, begun[-1])} if begun else {}
        progress = {"starting": (), "started": record.started + len(begun), "trouble": failures[-1], **last}
        return await self._schedules.write(record.seen(record.seen_to, **progress), over=kept)

    async def _start_run(self, record: ScheduleRecord, moment: float) -> Failure | None:
        run_id, jitter_s = _run_id(record, moment), record.definition.jitter_s
        later = moment + random.Random(run_id).uniform(0, jitter_s) if jitter_s else None  # noqa: S311 - no secret
        correlation_id = f"schedule:{record.name}"
        try:
            await self._scheduled.start(
                run_id, record, moment, by=record.attribution, correlation_id=correlation_id, at=later
            )
        except RefusedError as refused:
            await self._note_refusal(record, run_id, refused.failure)
            return refused.failure
        return None

    async def _note_refusal(self, record: ScheduleRecord, run_id: str, failure: Failure) -> None:
        refused = StartRefused(
            at=time.time(),
            subject=subjects.request(record.tenant, "start", record.definition.component),
            failure=failure,
            attribution=record.attribution,
            correlation_id=f"schedule:{record.name}",
        )
        await self._refusals.write(identity.derived_id("refusal", run_id), refused)

    async def _run_before(self, record: ScheduleRecord) -> str | None:
        """Find the run before, or the one that goes on in its place; None where it has ended."""
        run_id = record.last_run_id
        while run_id is not None and (line := await self._succession.find(run_id)) is not None:
            if not line.has_ended:
                return line.newest
            finished = await self._runs.finished(line.newest)
            run_id = finished.successor if finished else None  # the one that stood for it
        return None

    async def _cancel_run_before(self, record: ScheduleRecord) -> None:
        before = await self._run_before(record)
        if before is None:
            return
        wish = ControlSent(
            event_id=identity.derived_id("overlapped", _run_id(record, record.starting[-1]), before),
            run_id=before,
            control="cancel",
            reason=f"schedule {record.name!r} starts its next run",
            attribution=record.attribution,
        )
        await keep(self._js, wish)


def _run_id(record: ScheduleRecord, moment: float) -> str:
    return identity.scheduled_run_id(record.schedule_id, repr(moment))
