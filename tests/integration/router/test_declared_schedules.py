"""Schedules that code declares are there as long as its service registers them so, and no others are touched."""

from typing import Any

import pytest

from towpath import Schedule, WorkflowContext, workflow
from towpath_chassis.jetstream import JetStream
from towpath_schemas import identity, subjects
from towpath_schemas.components import ServiceRegistered
from towpath_schemas.journal import ScheduleChanged
from towpath_schemas.schedules import ScheduleRecord
from towpath_schemas.streams import JOURNAL, SCHEDULES
from towpath_testkit.asking import code_of
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.scheduled import NAME, changes, kept, schedule, scheduled, steer
from towpath_testkit.settled import messages_in, until

pytestmark = pytest.mark.live

HOURLY = {"every_s": 3_600.0, "name": NAME, "tenant": TENANT}


async def register(js: JetStream, *schedules: dict[str, Any], service: str = SERVICE) -> None:
    """Register `greet` with schedules, as a runner does."""
    component = {"name": "greet", "kind": "workflow", "schedules": schedules}
    registered = ServiceRegistered.model_validate(
        {"service": service, "version": "1", "components": [component]}
    )
    await js.publish(subjects.catalogue(service), registered.to_body())


async def until_kept(js: JetStream, *, name: str = NAME, **fields: Any) -> ScheduleRecord:
    """Wait until a schedule is there whose definition says so."""

    def fits(record: ScheduleRecord | None) -> bool:
        return record is not None and all(
            getattr(record.definition, field) == value for field, value in fields.items()
        )

    record = await until(lambda: kept(js, name=name), fits)
    assert record is not None
    return record


async def until_gone(js: JetStream) -> None:
    await until(lambda: kept(js), lambda record: record is None)


async def test_a_declared_schedule_appears_changes_and_disappears_with_its_registration(
    towpath: Platform,
) -> None:
    js = towpath.js
    await register(js, HOURLY)
    first = await until_kept(js)
    await register(js, {**HOURLY, "input": {"name": "Ada"}})
    second = await until_kept(js, input={"name": "Ada"})
    await register(js)
    await until_gone(js)

    assert first.declared_by == second.declared_by == SERVICE
    assert first.schedule_id == second.schedule_id
    assert first.next_at == second.next_at
    told = await until(lambda: changes(js), lambda seen: len(seen) == 3)
    assert [(one.change, one.service, one.attribution.user_id) for one in told] == [
        ("set", SERVICE, None),
        ("set", SERVICE, None),
        ("deleted", SERVICE, None),
    ]
    assert await until(lambda: messages_in(js, SCHEDULES), lambda count: count == 0) == 0


async def test_a_declared_schedule_is_called_as_its_component_and_starts_runs(towpath: Platform) -> None:
    await register(towpath.js, {"every_s": 1, "tenant": TENANT})

    runs = await until(lambda: scheduled(towpath.js, name="greet"), bool)

    assert {run.component for run in runs.values()} == {"greet"}


async def test_a_workflow_that_declares_a_schedule_is_run_by_it(towpath: Platform) -> None:
    @workflow(schedule=Schedule(every_s=1, tenant=TENANT, input={"name": "Ada"}))
    async def salute(ctx: WorkflowContext, name: str) -> str:
        return f"{name} at {ctx.headers()['towpath-scheduled-at']}"

    await towpath.agent_runner()
    (moment, *_) = await until(lambda: scheduled(towpath.js, name="salute"), bool)
    record = await until(
        lambda: kept(towpath.js, name="salute"), lambda one: one is not None and one.last_run_id is not None
    )

    assert record is not None
    run_id = identity.scheduled_run_id(record.schedule_id, repr(record.created_at + 1))
    assert (await towpath.finished(run_id)).result == f"Ada at {moment}"


async def test_what_was_registered_while_no_router_was_there_is_made_when_one_starts(
    towpath: Platform,
) -> None:
    (router,) = towpath._hosted
    await router.stop()
    await register(towpath.js, HOURLY)

    await towpath.router()

    await until_kept(towpath.js)


async def test_of_several_routers_one_makes_it_and_a_registration_that_changes_nothing_is_not_told(
    towpath: Platform,
) -> None:
    js = towpath.js
    await towpath.router()
    await towpath.router()
    await register(js, HOURLY)
    await until_kept(js)
    for _ in range(3):
        await register(js, HOURLY)
    await register(js, HOURLY, {**HOURLY, "name": "last"})

    await until_kept(js, name="last")

    assert len(await changes(js)) == 1


async def test_a_declared_schedule_may_be_paused_and_stays_so_but_not_deleted_or_replaced(
    towpath: Platform,
) -> None:
    js = towpath.js
    await register(js, HOURLY)
    await until_kept(js)

    words = [
        await steer(js, "pause-schedule"),
        await schedule(js),
        await steer(js, "unschedule"),
    ]

    assert [code_of(word) for word in words] == [None, "declared_schedule", "declared_schedule"]
    await register(js, {**HOURLY, "input": 7})
    assert (await until_kept(js, input=7)).paused


async def test_a_schedule_that_was_asked_for_is_neither_removed_nor_replaced_by_code(
    towpath: Platform,
) -> None:
    js = towpath.js
    await schedule(js, every_s=7)
    await schedule(js, name="other")

    await register(js, HOURLY, {**HOURLY, "name": "last"})
    await until_kept(js, name="last")
    await register(js, {**HOURLY, "name": "very-last"})
    await until_kept(js, name="very-last")

    mine = await kept(js)
    assert mine is not None
    assert (mine.definition.every_s, mine.declared_by) == (7, None)
    assert await kept(js, name="other") is not None
    await until(lambda: kept(js, name="last"), lambda record: record is None)


async def test_a_schedule_goes_over_to_the_service_that_declares_it_now(towpath: Platform) -> None:
    js = towpath.js
    await register(js, HOURLY, service="old")
    first = await until_kept(js)
    await register(js, HOURLY, service="older")
    await register(js, service="old")

    second = await until(
        lambda: kept(js), lambda record: record is not None and record.declared_by == "older"
    )

    assert second is not None
    assert second.schedule_id == first.schedule_id


async def test_a_router_that_died_between_saying_and_doing_is_made_up_for(towpath: Platform) -> None:
    js = towpath.js
    await register(js, HOURLY)
    await until_kept(js)
    (router,) = towpath._hosted
    await router.stop()
    told = await changes(js)
    await js.purge(SCHEDULES, ">")  # as if the broker had the journal entry, and the record was not written

    await towpath.router()

    await until_kept(js)
    assert await changes(js) == told
    assert isinstance(told[0], ScheduleChanged)
    assert await messages_in(js, JOURNAL) >= 1
