"""Schedules for tests: asks for them, puts them into the past, and looks at what they have started."""

import time
from typing import Any

from pydantic import ConfigDict

from towpath_chassis.jetstream import JetStream
from towpath_router.schedules.kept import Schedules
from towpath_router.schedules.starting import SCHEDULE, SCHEDULED_AT
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.journal import RunStarted, ScheduleChanged, read_record
from towpath_schemas.requests import Requested, ScheduleControlRequested
from towpath_schemas.schedules import ScheduleDefinition, ScheduleRecord
from towpath_schemas.streams import JOURNAL
from towpath_testkit.asking import Word, ask
from towpath_testkit.builders import TENANT

NAME = "nightly"
HOUR_S = 3600.0


class _Said(Requested):
    """A request that says whatever its sender wants it to."""

    model_config = ConfigDict(extra="allow")


async def schedule(
    js: JetStream, *, name: str = NAME, tenant: str = TENANT, request_id: str | None = None, **said: Any
) -> Word:
    """Ask for a schedule of `greet`: each hour, unless `said` says otherwise."""
    known: dict[str, Any] = {"component": "greet"}
    timed = said if {"cron", "every_s"} & said.keys() else {"every_s": HOUR_S, **said}
    asked = _Said.model_validate({**known, **timed})
    return await ask(js, "schedule", name, asked, tenant=tenant, request_id=request_id)


async def steer(
    js: JetStream,
    verb: str,
    *,
    name: str = NAME,
    tenant: str = TENANT,
    request_id: str | None = None,
    **said: Any,
) -> Word:
    """Ask to delete, pause, unpause or trigger a schedule."""
    asked = ScheduleControlRequested(**said)
    return await ask(js, verb, name, asked, tenant=tenant, request_id=request_id)


def schedule_record(**changes: Any) -> ScheduleRecord:
    """Write the record of a schedule that was made now; `changes` may have fields of its definition, too."""
    defined = {name: changes.pop(name) for name in [*changes] if name in ScheduleDefinition.model_fields}
    timed = defined if {"cron", "every_s"} & defined.keys() else {"every_s": HOUR_S, **defined}
    made_at = changes.get("created_at", time.time())
    known: dict[str, Any] = {
        "schedule_id": "schedule-1",
        "name": NAME,
        "definition": ScheduleDefinition.model_validate({"component": "greet", **timed}),
        "attribution": Attribution(tenant=TENANT, user_id="ada"),
        "created_at": made_at,
        "changed_by": "request-1",
        "seen_to": made_at,
    }
    record = ScheduleRecord(**{**known, **changes})
    return record.seen(record.seen_to)


async def keep(js: JetStream, record: ScheduleRecord) -> ScheduleRecord:
    """Put a schedule where routers find it, with its alarm."""
    schedules = Schedules(js)
    over = await schedules.find(record.tenant, record.name)
    await schedules.set_alarm(await schedules.write(record, over=over))
    return record


async def kept(js: JetStream, *, name: str = NAME, tenant: str = TENANT) -> ScheduleRecord | None:
    """Read a schedule as it is kept."""
    found = await Schedules(js).find(tenant, name)
    return found.record if found else None


async def scheduled(js: JetStream, *, name: str = NAME) -> dict[str, RunStarted]:
    """Read the runs that a schedule has started, by their moments, in order."""
    entries = await js.newest_of_each(JOURNAL, "journal.v1.*.0.0")
    records = [read_record(entry.body) for entry in entries]
    found = [one for one in records if isinstance(one, RunStarted) and one.headers.get(SCHEDULE) == name]
    moments = [one.headers[SCHEDULED_AT] for one in found]
    assert len(set(moments)) == len(moments), f"a moment has started two runs: {sorted(moments)}"
    return dict(sorted(zip(moments, found, strict=True)))


async def changes(js: JetStream, *, name: str = NAME) -> list[ScheduleChanged]:
    """Read what the journal says was done to a schedule, in order."""
    records = [
        read_record(entry.body) for entry in await js.newest_of_each(JOURNAL, subjects.EVERY_JOURNAL_ENTRY)
    ]
    return [one for one in records if isinstance(one, ScheduleChanged) and one.name == name]
