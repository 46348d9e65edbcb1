"""Schedules as code declares them: what they say is checked where they are written."""

from datetime import UTC, datetime
from typing import Any, cast

import pytest

from towpath import RegistrationError, Schedule, WorkflowContext, register_workflow, workflow
from towpath.components import REGISTRY, ComponentType
from towpath_schemas.schedules import ScheduleDeclared

NIGHTLY = Schedule(cron="0 2 * * *", tz="Europe/Amsterdam")


async def clean_up(ctx: WorkflowContext, days: int) -> None: ...


def declared(name: str = "clean_up") -> tuple[ScheduleDeclared, ...]:
    component = REGISTRY.find(ComponentType.WORKFLOW, name)
    assert component is not None
    return component.described().schedules


def test_a_schedule_travels_with_its_workflow() -> None:
    workflow(schedule=Schedule(cron="0 2 * * *", tz="Europe/Amsterdam", input={"days": 3}))(clean_up)

    assert declared() == (ScheduleDeclared(cron="0 2 * * *", tz="Europe/Amsterdam", input={"days": 3}),)


def test_a_workflow_without_a_schedule_has_none() -> None:
    register_workflow("clean_up", clean_up)

    assert declared() == ()


def test_a_workflow_may_have_several_schedules_of_different_names_or_tenants() -> None:
    schedules = [NIGHTLY, Schedule(every_s=60, name="often"), Schedule(every_s=60, tenant="acme")]

    workflow("tidy", schedule=schedules)(clean_up)

    assert [(one.name, one.tenant) for one in declared("tidy")] == [
        (None, "default"),
        ("often", "default"),
        (None, "acme"),
    ]


def test_two_schedules_of_one_name_are_refused() -> None:
    with pytest.raises(
        RegistrationError, match="two schedules of clean_up have the same name; give each a name="
    ):
        workflow(schedule=[NIGHTLY, Schedule(every_s=60, name="clean_up")])(clean_up)


def test_what_is_no_schedule_is_refused() -> None:
    wrong: Any = "0 2 * * *"

    with pytest.raises(RegistrationError, match="give a Schedule"):
        workflow(schedule=wrong)(clean_up)
    with pytest.raises(RegistrationError, match="give a Schedule"):
        workflow(schedule=[wrong])(clean_up)
    with pytest.raises(RegistrationError, match="schedule=60 of clean_up: give a Schedule"):
        workflow(schedule=cast("Any", 60))(clean_up)


def test_a_moment_without_a_zone_is_one_of_the_schedules_own() -> None:
    naive, aware = datetime(2027, 1, 1), datetime(2027, 1, 1, tzinfo=UTC)  # noqa: DTZ001 - in the schedule's zone

    described = Schedule(every_s=60, tz="Europe/Amsterdam", start_at=naive, end_at=aware).described()

    assert described.start_at == datetime(2026, 12, 31, 23, tzinfo=UTC).timestamp()
    assert described.end_at == aware.timestamp()


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, "give either cron"),
        ({"cron": "0 2 * * *", "every_s": 60}, "give either cron"),
        ({"cron": "at two"}, "cron 'at two' cannot be read"),
        ({"every_s": 60, "tz": "Mars", "start_at": datetime(2027, 1, 1)}, "tz 'Mars' is no time zone"),  # noqa: DTZ001
        (
            {"every_s": 60, "start_at": "2027-01-01"},
            "start_at is '2027-01-01'; give a datetime, which datetime.from",
        ),
        ({"every_s": 60, "end_at": 1.5}, "end_at is 1.5; give a datetime"),
        ({"every_s": 0}, "every_s"),
        ({"every_s": 60, "name": ""}, "name"),
        ({"every_s": 60, "misfire": "sometimes"}, "misfire"),
        ({"every_s": 60, "input": object()}, "object cannot be written as JSON"),
    ],
)
def test_what_can_be_no_schedule_is_refused_where_it_is_written(said: dict[str, Any], named: str) -> None:
    with pytest.raises(RegistrationError, match=named):
        Schedule(**said)
