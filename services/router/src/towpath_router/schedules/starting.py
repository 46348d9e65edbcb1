"""Starts the runs of schedules: each tells its component which schedule started it, and for which moment."""

import time
from datetime import UTC, datetime

from towpath_chassis.telemetry import ADMIT, Tracing
from towpath_router.catalogue import Catalogue
from towpath_router.requests import RefusedError
from towpath_router.starting import Starter
from towpath_schemas.attribution import Attribution
from towpath_schemas.journal import RunStarted
from towpath_schemas.schedules import ScheduleRecord

SCHEDULE = "towpath-schedule"
"""Header of a run: the name of the schedule that started it."""
SCHEDULED_AT = "towpath-scheduled-at"
"""Header of a run: the moment that it was started for, in RFC 3339."""


class ScheduledRuns:
    """Starts runs; starting one again finds it."""

    def __init__(self, catalogue: Catalogue, starter: Starter, tracing: Tracing) -> None:
        self._catalogue = catalogue
        self._starter = starter
        self._tracing = tracing

    async def start(
        self,
        run_id: str,
        record: ScheduleRecord,
        moment: float,
        *,
        by: Attribution,
        correlation_id: str,
        traceparent: str | None = None,
        at: float | None = None,
    ) -> bool:
        """Start a run of a schedule for a moment, now or `at` a later time; tell whether it existed.

        Raises:
            RefusedError: If nobody offers the component.
        """
        component = record.definition.component
        found = await self._catalogue.find(component)
        if found is None:
            raise RefusedError("unknown_component", self._catalogue.unknown(component))
        with self._tracing.span(ADMIT, parent=traceparent) as inside:
            started = RunStarted(
                at=time.time(),
                component=component,
                component_kind=found.kind,
                service=found.service,
                version=found.version,
                input=record.definition.input,
                attribution=by,
                correlation_id=correlation_id,
                traceparent=inside,
                headers={SCHEDULE: record.name, SCHEDULED_AT: _rfc3339(moment)},
            )
            return await self._starter.start(run_id, started, at=at)


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
