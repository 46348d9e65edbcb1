"""Keeps schedules: each is one record, which only who has read its newest version can replace."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import NamedTuple

import structlog
from pydantic import ValidationError

from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect, StoredMessage
from towpath_schemas import subjects
from towpath_schemas.schedules import ScheduleDue, ScheduleRecord
from towpath_schemas.shape import problems
from towpath_schemas.streams import SCHEDULES

log = structlog.get_logger(__name__)

_PAGE = 256


class Kept(NamedTuple):
    """A schedule as it was read: `sequence` tells this version of the record from all others."""

    record: ScheduleRecord
    sequence: int


class Schedules:
    """The schedules of all tenants."""

    def __init__(self, js: JetStream) -> None:
        self._js = js

    async def find(self, tenant: str, name: str) -> Kept | None:
        """Read a schedule; None where there is none.

        Raises:
            GiveUp: If it cannot be read: a newer version wrote it.
            UnconfirmedError: If the broker could not be asked.
        """
        stored = await self._js.last(SCHEDULES, subjects.schedule(tenant, name))
        try:
            return _kept(stored) if stored else None
        except ValidationError as error:
            raise GiveUp(f"schedule {name!r} cannot be read: {problems(error)}") from error

    async def every(self) -> AsyncGenerator[Kept]:
        """Read all schedules, but for those that cannot be read.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        async for stored in self._every(subjects.EVERY_SCHEDULE):
            try:
                kept = _kept(stored)
            except ValidationError as error:
                log.warning("a schedule cannot be read", subject=stored.subject, reason=problems(error))
            else:
                yield kept

    async def with_alarm(self) -> set[tuple[str, str]]:
        """List the schedules whose alarm is set, by tenant and name.

        Raises:
            UnconfirmedError: If the broker could not be asked.
        """
        found = self._every(subjects.EVERY_SCHEDULE_ALARM)
        return {subjects.read_schedule(alarm.subject) async for alarm in found}

    async def write(self, record: ScheduleRecord, *, over: Kept | None) -> Kept:
        """Write a schedule in the place of what was read (`over`; None where there was none).

        Raises:
            FencedError: If somebody else was first; read it again.
            UnconfirmedError: If that is not known.
        """
        expect = Expect(over.sequence if over else 0)
        subject = subjects.schedule(record.tenant, record.name)
        stored = await self._js.publish(subject, record.to_body(), expect=expect)
        return Kept(record, stored.sequence)

    async def set_alarm(self, kept: Kept) -> None:
        """Have the broker tell when the next moment has come, unless somebody has changed the schedule: they do it.

        Raises:
            UnconfirmedError: If it is not known whether the alarm is set.
        """
        record = kept.record
        if record.paused or record.next_at is None:
            return
        with suppress(FencedError):
            await self._js.schedule(
                subjects.schedule_alarm(record.tenant, record.name),
                target=subjects.schedule_due(record.tenant, record.name),
                body=ScheduleDue(schedule_id=record.schedule_id).to_body(),
                at=record.next_at,
                expect=Expect(kept.sequence, subjects.schedule(record.tenant, record.name)),
            )

    async def delete(self, tenant: str, name: str, schedule_id: str) -> None:
        """Delete a schedule, however often it is changed meanwhile; not another that has its name by now.

        Raises:
            UnconfirmedError: If it could not be done to its end.
        """
        while (kept := await self.find(tenant, name)) is not None and kept.record.schedule_id == schedule_id:
            told = (subjects.schedule_alarm(tenant, name), subjects.schedule_due(tenant, name))
            newest = [await self._js.last(SCHEDULES, subject) for subject in told]
            await self._js.purge(SCHEDULES, subjects.schedule(tenant, name), before=kept.sequence + 1)
            for one in newest:
                if one is not None:
                    await self._js.purge(SCHEDULES, one.subject, before=one.sequence + 1)

    async def _every(self, pattern: str) -> AsyncGenerator[StoredMessage]:
        start = 1
        while page := await self._js.following(SCHEDULES, pattern, start=start, limit=_PAGE):
            for stored in page:
                yield stored
            start = page[-1].sequence + 1


def _kept(stored: StoredMessage) -> Kept:
    return Kept(ScheduleRecord.from_body(stored.body), stored.sequence)
