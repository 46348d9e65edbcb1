"""Keeps the schedules that code declares as the catalogue has them: makes, changes and deletes them, never others.

Every router does so whenever a service registers, and when it starts itself, from all registrations there are. What
it is about to do is journaled first, at a place that follows from the registration: of several routers one does it,
and whoever dies in between is made up for by the next who looks.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import structlog

from towpath_chassis.delivery import GiveUp
from towpath_chassis.errors import AlreadyWrittenError, BrokerError, FencedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Expect
from towpath_router.catalogue import Catalogue, Registration
from towpath_router.schedules.kept import Kept, Schedules
from towpath_router.schedules.records import made, set_anew
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ComponentDescribed
from towpath_schemas.journal import ScheduleChange, ScheduleChanged
from towpath_schemas.schedules import ScheduleDeclared, ScheduleDefinition, ScheduleRecord

log = structlog.get_logger(__name__)

_RETRY_S = 0.2
_Place = tuple[str, str]


class _Wanted(NamedTuple):
    """A schedule that code declares, and the registration that says so."""

    definition: ScheduleDefinition
    service: str
    registration: str


class DeclaredSchedules:
    """Makes true what code declares."""

    def __init__(self, js: JetStream, catalogue: Catalogue, schedules: Schedules) -> None:
        self._js = js
        self._catalogue = catalogue
        self._schedules = schedules
        self._asked = asyncio.Event()
        self._asked.set()

    def look(self) -> None:
        """Ask that the catalogue be looked at again."""
        self._asked.set()

    async def run(self) -> None:
        """Look at the catalogue whenever that is asked for, for ever."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._make_true()
            except (BrokerError, GiveUp) as error:
                log.info("cannot see to the declared schedules now", reason=str(error))
                self._asked.set()
                await asyncio.sleep(_RETRY_S)

    async def _make_true(self) -> None:
        wanted = dict(_wanted(self._catalogue.registrations))
        alarms = await self._schedules.with_alarm()
        there = {(kept.record.tenant, kept.record.name): kept async for kept in self._schedules.every()}
        for place, kept in there.items():
            if place not in wanted and kept.record.declared_by is not None:
                await self._undeclare(kept.record)
            elif place not in alarms:  # whoever was to set it has died, or its tick was given up
                await self._schedules.set_alarm(kept)
        for place, one in wanted.items():
            await self._declare(place, one, there.get(place))

    async def _declare(self, place: _Place, wanted: _Wanted, kept: Kept | None) -> None:
        definition, service, registration = wanted
        if kept is not None and kept.record.declared_by is None:
            log.warning(
                "a schedule was asked for under a name that code declares", place=place, service=service
            )
            return
        if kept is not None and (kept.record.definition, kept.record.declared_by) == (definition, service):
            return
        by, now = Attribution(tenant=place[0]), time.time()
        if kept is None:
            record = made(place[1], definition, by, changed_by=registration, at=now, declared_by=service)
        else:
            record = set_anew(
                kept.record, definition, by, changed_by=registration, at=now, declared_by=service
            )
        await self._note("set", record, service)
        await self._schedules.set_alarm(await self._schedules.write(record, over=kept))

    async def _undeclare(self, record: ScheduleRecord) -> None:
        service = record.declared_by or ""
        newest = {one.registered.service: _named(one) for one in self._catalogue.registrations}
        changed_by = newest.get(service, f"{service}:gone")
        await self._note("deleted", record.model_copy(update={"changed_by": changed_by}), service)
        await self._schedules.delete(record.tenant, record.name, record.schedule_id)

    async def _note(self, change: ScheduleChange, record: ScheduleRecord, service: str) -> None:
        note = ScheduleChanged(
            at=time.time(),
            change=change,
            schedule_id=record.schedule_id,
            name=record.name,
            definition=record.definition if change == "set" else None,
            service=service,
            attribution=Attribution(tenant=record.tenant),
            correlation_id=record.changed_by,
        )
        change_id = identity.schedule_change_id(record.tenant, record.name, record.changed_by)
        with suppress(FencedError, AlreadyWrittenError):
            await self._js.publish(subjects.journal_entry(change_id, 0), note.to_body(), expect=Expect(0))


def _wanted(registrations: list[Registration]) -> Iterator[tuple[_Place, _Wanted]]:
    """List what is declared; of several services that declare one name, what counts comes last.

    It is the service that requests for a component mean, too: the first by its name.
    """
    for one in reversed(registrations):
        newest = {(part.kind, part.name): part for part in one.registered.components}
        for component in newest.values():
            for schedule in component.schedules:
                wanted = _Wanted(_definition(schedule, component), one.registered.service, _named(one))
                yield (schedule.tenant, schedule.name or component.name), wanted


def _definition(schedule: ScheduleDeclared, component: ComponentDescribed) -> ScheduleDefinition:
    said = {name: getattr(schedule, name) for name in ScheduleDefinition.model_fields if name != "component"}
    return ScheduleDefinition(component=component.name, **said)


def _named(one: Registration) -> str:
    """Name a registration, so that what it causes is done once."""
    return f"registration:{one.registered.service}:{one.sequence}"
