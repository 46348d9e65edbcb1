"""Schedules: makes them, looks at them, tells them what to do."""

from collections.abc import AsyncGenerator
from datetime import datetime
from typing import TypedDict, Unpack

from pydantic import ValidationError

from towpath.asking import asking
from towpath.client.connection import Connection
from towpath.errors import InvalidInputError, UnavailableError
from towpath.schedules import as_described
from towpath_chassis.errors import BrokerError
from towpath_chassis.messages import StoredMessage
from towpath_schemas import subjects
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.requests import ScheduleControlRequested, ScheduleRequested
from towpath_schemas.schedules import Misfire, Overlap, ScheduleRecord
from towpath_schemas.streams import SCHEDULES

_PAGE = 256


class ScheduleOptions(TypedDict, total=False):
    """What may be said about a schedule beside its timing; see `towpath.Schedule`."""

    input: object
    misfire: Misfire
    grace_s: float
    catch_up_limit: int
    overlap: Overlap
    jitter_s: float
    start_at: datetime | None
    end_at: datetime | None
    max_runs: int | None


class Scheduling(Connection):
    """Makes schedules, shows them, and tells them what to do.

    A schedule is known by its name, to the tenant it works for. Each method takes `attribution`, who is behind the
    request, and returns once the platform has done what was asked; and raises

    * `RequestRefusedError` if the platform says no, such as about a schedule that is not there,
    * `UnavailableError` if nobody says anything.
    """

    async def schedule(
        self,
        name: str,
        component: str,
        *,
        cron: str | None = None,
        every_s: float | None = None,
        tz: str = "UTC",
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
        **options: Unpack[ScheduleOptions],
    ) -> None:
        """Start runs of a component again and again; a schedule of this name is changed, and keeps its progress.

        Args:
            name: What the schedule is called by.
            component: A workflow, agent or function by its name.
            cron: Minute, hour, day, month, day of the week; or give `every_s`.
            every_s: Seconds between two runs; at least 1.
            tz: The time zone of the cron expression.
            tenant: For whom the runs work.
            attribution: Who is behind the request, and the runs.
            options: See `ScheduleOptions`.

        Raises:
            InvalidInputError: If an argument is not what it takes.
            NotSerialisableError: If JSON cannot carry the input.
        """
        said = {"cron": cron, "every_s": every_s, "tz": tz, **options}
        try:
            described = as_described(said)
        except ValueError as error:
            raise InvalidInputError(str(error)) from error
        asked = asking(ScheduleRequested, component=component, attribution=attribution, **described)
        await self._opened.ask("schedule", name, asked, tenant=tenant, within_s=self._patience_s)

    async def schedules(
        self, *, tenant: str | None = None, component: str | None = None
    ) -> AsyncGenerator[ScheduleRecord]:
        """Yield schedules, those that did something last at the end.

        Args:
            tenant: Only of this tenant.
            component: Only those that start runs of this component.

        Raises (while iterating):
            UnavailableError: If the broker does not answer.
        """
        pattern = subjects.EVERY_SCHEDULE if tenant is None else subjects.schedules_of(tenant)
        start = 1
        while page := await self._page(pattern, start):
            for stored in page:
                record = _read(stored)
                if record is not None and component in {None, record.definition.component}:
                    yield record
            start = page[-1].sequence + 1

    async def schedule_status(self, name: str, *, tenant: str = "default") -> ScheduleRecord | None:
        """Show a schedule as it is now; None where there is none.

        Raises:
            UnavailableError: If the broker does not answer.
        """
        try:
            stored = await self._connected.last(SCHEDULES, subjects.schedule(tenant, name))
        except BrokerError as error:
            raise _unreadable(error) from error
        return None if stored is None else _read(stored)

    async def unschedule(
        self,
        name: str,
        reason: str | None = None,
        *,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Delete a schedule; the runs that it has started go on."""
        await self._steer("unschedule", name, reason, tenant, attribution)

    async def pause_schedule(
        self,
        name: str,
        reason: str | None = None,
        *,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Have a schedule start nothing until it is unpaused; what its moments would have started is left out."""
        await self._steer("pause-schedule", name, reason, tenant, attribution)

    async def unpause_schedule(
        self,
        name: str,
        reason: str | None = None,
        *,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> None:
        """Have a paused schedule go on with its next moment."""
        await self._steer("unpause-schedule", name, reason, tenant, attribution)

    resume_schedule = unpause_schedule

    async def trigger_schedule(
        self,
        name: str,
        reason: str | None = None,
        *,
        tenant: str = "default",
        attribution: AttributionClaim | None = None,
    ) -> str:
        """Start a run of a schedule now, beside those of its moments; return its id."""
        asked = asking(ScheduleControlRequested, reason=reason, attribution=attribution)
        accepted = await self._opened.ask_for_run(
            "trigger-schedule", name, asked, tenant=tenant, within_s=self._patience_s
        )
        return accepted.run_id

    async def _steer(
        self, verb: str, name: str, reason: str | None, tenant: str, attribution: AttributionClaim | None
    ) -> None:
        asked = asking(ScheduleControlRequested, reason=reason, attribution=attribution)
        await self._opened.ask(verb, name, asked, tenant=tenant, within_s=self._patience_s)

    async def _page(self, pattern: str, start: int) -> list[StoredMessage]:
        try:
            return await self._connected.following(SCHEDULES, pattern, start=start, limit=_PAGE)
        except BrokerError as error:
            raise _unreadable(error) from error


def _read(stored: StoredMessage) -> ScheduleRecord | None:
    try:
        return ScheduleRecord.from_body(stored.body)
    except ValidationError:
        return None  # a newer version wrote it


def _unreadable(error: BrokerError) -> UnavailableError:
    return UnavailableError(f"the schedules cannot be read now: {error}")
