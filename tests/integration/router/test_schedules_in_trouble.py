"""Whatever write of the router fails, or is stored and never confirmed: each moment starts one run, each change holds."""

from typing import Any

import pytest

from towpath_chassis.errors import UnconfirmedError
from towpath_chassis.jetstream import JetStream
from towpath_chassis.messages import Stored
from towpath_schemas import subjects
from towpath_schemas.components import ServiceRegistered
from towpath_schemas.requests import ScheduleRequested
from towpath_schemas.streams import REQUESTS, ROUTER_REQUESTS, ROUTER_SCHEDULES, SCHEDULES
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Hosted, Platform
from towpath_testkit.scheduled import NAME, changes, keep, kept, schedule, schedule_record, scheduled
from towpath_testkit.settled import settled, until

pytestmark = pytest.mark.live

WRITES = range(8)
"""More than there are: where the last fails nothing does."""


class Trouble:
    """Lets one write of a router fail: before the broker has it, or after."""

    def __init__(self, router: Hosted) -> None:
        self._publish = router.js.publish
        router.js.publish = self._troubled
        self._countdown: int | None = None
        self._stored = False

    def at(self, write: int, *, stored: bool) -> None:
        self._countdown, self._stored = write, stored

    async def _troubled(self, subject: str, body: bytes, **said: Any) -> Stored:
        if not self._fails():
            return await self._publish(subject, body, **said)
        if self._stored:
            await self._publish(subject, body, **said)
        raise UnconfirmedError("no answer came")

    def _fails(self) -> bool:
        if self._countdown is None:
            return False
        self._countdown -= 1
        if self._countdown >= 0:
            return False
        self._countdown = None
        return True


@pytest.fixture
def trouble(towpath: Platform) -> Trouble:
    (router,) = towpath._hosted
    return Trouble(router)


async def has_alarm(js: JetStream, name: str) -> bool:
    return await js.last(SCHEDULES, subjects.schedule_alarm(TENANT, name)) is not None


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
async def test_no_failed_write_loses_or_doubles_a_moment(
    towpath: Platform, trouble: Trouble, *, stored: bool
) -> None:
    js = towpath.js
    for write in WRITES:
        name = f"schedule-{write}"
        made_at = 1_700_000_000.0
        record = schedule_record(
            name=name,
            schedule_id=name,
            every_s=10.0,
            created_at=made_at,
            misfire="all",
            end_at=made_at + 30,
        )
        trouble.at(write, stored=stored)
        await keep(js, record)

        runs = await until(lambda name=name: scheduled(js, name=name), lambda seen: len(seen) == 3)
        await settled(js, SCHEDULES, ROUTER_SCHEDULES)

        after = await kept(js, name=name)
        assert len(runs) == 3
        assert after is not None
        assert (after.started, after.missed, after.starting, after.next_at) == (3, 0, (), None), write


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
@pytest.mark.parametrize("verb", ["schedule", "pause-schedule", "unpause-schedule", "unschedule"])
async def test_no_failed_write_loses_or_doubles_a_change(
    towpath: Platform, trouble: Trouble, verb: str, *, stored: bool
) -> None:
    js = towpath.js
    for write in range(4):
        name = f"schedule-{write}"
        if verb != "schedule":
            await schedule(js, name=name)
        trouble.at(write, stored=stored)
        asked = ScheduleRequested(component="greet", every_s=60).to_body() if verb == "schedule" else b"{}"

        await js.publish(subjects.request(TENANT, verb, name), asked, headers={"ce-id": "request-1"})
        await settled(js, REQUESTS, ROUTER_REQUESTS)

        told = [one.change for one in await changes(js, name=name) if one.correlation_id == "request-1"]
        record = await kept(js, name=name)
        assert len(told) == 1, write
        if verb == "unschedule":
            assert record is None
            assert not await has_alarm(js, name)
        else:
            assert record is not None
            assert (record.changed_by, record.paused) == ("request-1", verb == "pause-schedule")
            assert await has_alarm(js, name)


@pytest.mark.parametrize("stored", [False, True], ids=["lost", "stored"])
async def test_no_failed_write_loses_or_doubles_what_is_declared(
    towpath: Platform, trouble: Trouble, *, stored: bool
) -> None:
    js = towpath.js
    for write in range(4):
        trouble.at(write, stored=stored)
        declared = {"every_s": 60.0 + write, "name": NAME, "tenant": TENANT}
        component = {"name": "greet", "kind": "workflow", "schedules": [declared]}
        registered = ServiceRegistered.model_validate(
            {"service": SERVICE, "version": "1", "components": [component]}
        )
        await js.publish(subjects.catalogue(SERVICE), registered.to_body())

        async def is_made(every_s: float = 60.0 + write) -> bool:
            record = await kept(js)
            return record is not None and record.definition.every_s == every_s and await has_alarm(js, NAME)

        await until(is_made, bool)
        assert len(await changes(js)) == write + 1
