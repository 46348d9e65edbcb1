"""Makes and changes schedules as requests ask, and journals who asked.

A change is written into the schedule's record, then journaled; a deletion is journaled first, since nothing is left
of the record by which to see that it was done. Either way a request that comes again finds what it has done.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from towpath_chassis.errors import AlreadyWrittenError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_router.catalogue import Catalogue
from towpath_router.requests import Asked, RefusedError
from towpath_router.schedules.kept import Kept, Schedules
from towpath_router.schedules.records import made, paused, set_anew, unpaused
from towpath_router.schedules.starting import ScheduledRuns
from towpath_schemas import identity, subjects
from towpath_schemas.journal import ScheduleChange, ScheduleChanged, read_record
from towpath_schemas.requests import RequestDone, RunAccepted, ScheduleControlRequested, ScheduleRequested
from towpath_schemas.schedules import ScheduleRecord, fitting
from towpath_schemas.streams import JOURNAL


class ScheduleChanger:
    """Changes the schedules of the tenant that asks."""

    def __init__(
        self, js: JetStream, catalogue: Catalogue, schedules: Schedules, scheduled: ScheduledRuns
    ) -> None:
        self._js = js
        self._catalogue = catalogue
        self._schedules = schedules
        self._scheduled = scheduled

    async def set(self, asked: Asked[ScheduleRequested]) -> RequestDone:
        """Make a schedule, or change what one is to do.

        Raises:
            RefusedError: If nobody offers the component, no schedule can have the name, or code declares this one.
        """
        _check_name(asked.target)
        component = asked.said.component
        if await self._catalogue.find(component) is None:
            raise RefusedError("unknown_component", self._catalogue.unknown(component))
        return await self._change(asked, "set", partial(_set, asked))

    async def pause(self, asked: Asked[ScheduleControlRequested]) -> RequestDone:
        """Have a schedule start nothing until it is unpaused; what its moments would have started never is.

        Raises:
            RefusedError: If the tenant has no such schedule.
        """
        return await self._change(
            asked, "paused", lambda record: paused(_known(asked, record), by=asked.own_id)
        )

    async def unpause(self, asked: Asked[ScheduleControlRequested]) -> RequestDone:
        """Have a paused schedule go on with the next moment.

        Raises:
            RefusedError: If the tenant has no such schedule.
        """
        return await self._change(
            asked, "unpaused", lambda record: unpaused(_known(asked, record), by=asked.own_id, at=asked.at)
        )

    async def delete(self, asked: Asked[ScheduleControlRequested]) -> RequestDone:
        """Delete a schedule; runs that it has started go on.

        Raises:
            RefusedError: If the tenant has no such schedule, or code declares it.
        """
        noted = await self._js.last(JOURNAL, _note_of(asked))
        if noted is None:
            kept = await self._schedules.find(asked.tenant, asked.target)
            record = _known(asked, kept.record if kept else None)
            _check_undeclared(record)
            schedule_id = record.schedule_id
            await self._note(asked, "deleted", record)
        else:
            note = read_record(noted.body)
            schedule_id = note.schedule_id if isinstance(note, ScheduleChanged) else ""
        await self._schedules.delete(asked.tenant, asked.target, schedule_id)
        return _done(asked)

    async def trigger(self, asked: Asked[ScheduleControlRequested]) -> RunAccepted:
        """Start a run of a schedule now, paused or not; its moments stay as they are.

        Raises:
            RefusedError: If the tenant has no such schedule, or nobody offers its component.
        """
        while True:
            kept = await self._schedules.find(asked.tenant, asked.target)
            record = _known(asked, kept.record if kept else None)
            run_id = identity.scheduled_run_id(record.schedule_id, f"request:{asked.own_id}")
            existed = await self._scheduled.start(
                run_id,
                record,
                asked.at,
                by=asked.by,
                correlation_id=asked.own_id,
                traceparent=asked.traceparent,
            )
            with suppress(FencedError):  # else somebody has changed it meanwhile: once more
                triggered = record.model_copy(update={"last_run_id": run_id})
                await self._schedules.set_alarm(await self._schedules.write(triggered, over=kept))
                return RunAccepted(run_id=run_id, component=record.definition.component, existed=existed)

    async def _change(
        self,
        asked: Asked[Any],
        change: ScheduleChange,
        changed: Callable[[ScheduleRecord | None], ScheduleRecord],
    ) -> RequestDone:
        """Write what `changed` makes of a schedule, unless that was done to its end before."""
        if await self._js.last(JOURNAL, _note_of(asked)) is None:
            kept = await self._written(asked, changed)
            await self._schedules.set_alarm(kept)
            await self._note(asked, change, kept.record)
        return _done(asked)

    async def _written(
        self, asked: Asked[Any], changed: Callable[[ScheduleRecord | None], ScheduleRecord]
    ) -> Kept:
        while True:
            kept = await self._schedules.find(asked.tenant, asked.target)
            if kept is not None and kept.record.changed_by == asked.own_id:
                return kept
            with suppress(FencedError):
                return await self._schedules.write(changed(kept.record if kept else None), over=kept)

    async def _note(self, asked: Asked[Any], change: ScheduleChange, record: ScheduleRecord) -> None:
        note = ScheduleChanged(
            at=time.time(),
            change=change,
            schedule_id=record.schedule_id,
            name=record.name,
            definition=record.definition if change == "set" else None,
            reason=getattr(asked.said, "reason", None),
            attribution=asked.by,
            correlation_id=asked.own_id,
        )
        with suppress(FencedError, AlreadyWrittenError):  # the request was delivered again
            await self._js.publish(_note_of(asked), note.to_body(), expect=Expect(0))


def _set(asked: Asked[ScheduleRequested], record: ScheduleRecord | None) -> ScheduleRecord:
    definition = asked.said.definition
    if record is None:
        return made(asked.target, definition, asked.by, changed_by=asked.own_id, at=asked.at)
    _check_undeclared(record)
    return set_anew(record, definition, asked.by, changed_by=asked.own_id, at=asked.at)


def _check_name(name: str) -> None:
    try:
        fitting(name)
    except ValueError as error:
        raise RefusedError("malformed", f"no schedule can have this name: {error}") from error


def _known(asked: Asked[Any], record: ScheduleRecord | None) -> ScheduleRecord:
    if record is None:
        message = f"there is no schedule {asked.target!r} of {asked.tenant!r}; make it with the verb schedule"
        raise RefusedError("unknown_schedule", message)
    return record


def _check_undeclared(record: ScheduleRecord) -> None:
    if record.declared_by is not None:
        message = (
            f"schedule {record.name!r} is declared by the code of service {record.declared_by!r}; "
            "change it there, or pause it"
        )
        raise RefusedError("declared_schedule", message)


def _note_of(asked: Asked[Any]) -> str:
    """Name the journal entry that says that a request was done."""
    change_id = identity.schedule_change_id(asked.tenant, asked.target, asked.own_id)
    return subjects.journal_entry(change_id, 0)


def _done(asked: Asked[Any]) -> RequestDone:
    return RequestDone(subject=asked.request.subject, targets=(asked.target,))
