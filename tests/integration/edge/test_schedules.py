"""Schedules, as a program outside the platform, an operator at a terminal and an auditor see them."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner, Result

from towpath import Client, InvalidInputError, RequestRefusedError
from towpath_cli.app import app
from towpath_cli.plan import Plan
from towpath_schemas.attribution import AttributionClaim
from towpath_schemas.audit import AuditEvent
from towpath_schemas.schedules import ScheduleRecord
from towpath_testkit.settled import until

pytestmark = [pytest.mark.live, pytest.mark.asyncio(loop_scope="module")]

ADA = AttributionClaim(user_id="ada")


@pytest.fixture
def tenant() -> str:
    return f"tenant-{uuid4().hex[:8]}"


async def towpath(plan: Plan, *arguments: str) -> Result:
    environment = {"TOWPATH_NATS_URL": plan.nats_url, "USER": "bob", "COLUMNS": "200"}
    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments), env=environment)


async def until_started(client: Client, name: str, tenant: str) -> ScheduleRecord:
    async def look() -> ScheduleRecord | None:
        return await client.schedule_status(name, tenant=tenant)

    record = await until(look, lambda seen: seen is not None and seen.last_run_id is not None)
    assert record is not None
    return record


async def audited(client: Client, tenant: str, count: int) -> list[tuple[str, str, str | None]]:
    """Wait for so many audit events about schedules; tell what was done, to which, by whom."""
    since = datetime.now(UTC) - timedelta(hours=1)  # noqa: TID251 - the broker's clock is this machine's
    found: list[AuditEvent] = []
    async with asyncio.timeout(15):
        async for event in client.audit(tenant=tenant, kind="schedule", since=since):
            found.append(event)
            if len(found) == count:
                break
    return [(event.action, event.target, event.attribution.user_id) for event in found]


async def test_a_schedule_runs_its_component_which_is_told_the_moment(client: Client, tenant: str) -> None:
    await client.schedule("every-second", "told", every_s=1, tenant=tenant, attribution=ADA, max_runs=1)

    record = await until_started(client, "every-second", tenant)

    assert record.last_run_id is not None
    assert record.last_at is not None
    headers: dict[str, str] = await client.result(record.last_run_id, 15)
    assert headers["towpath-schedule"] == "every-second"
    assert datetime.fromisoformat(headers["towpath-scheduled-at"]).timestamp() == pytest.approx(
        record.last_at
    )
    run = await client.status(record.last_run_id)
    assert run is not None
    assert run.attribution.user_id == "ada"


async def test_schedules_are_listed_paused_resumed_triggered_and_deleted(client: Client, tenant: str) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)  # noqa: TID251 - the broker's clock is this machine's
    await client.schedule(
        "a", "welcome", cron="0 2 * * *", input={"name": "Ada"}, tenant=tenant, attribution=ADA
    )
    await client.schedule("b", "told", every_s=60, start_at=tomorrow, tenant=tenant, attribution=ADA)

    every = {one.name: one async for one in client.schedules(tenant=tenant)}
    told = [one.name async for one in client.schedules(tenant=tenant, component="told")]
    run_id = await client.trigger_schedule("a", tenant=tenant, attribution=ADA)
    await client.pause_schedule("a", "holidays", tenant=tenant, attribution=ADA)
    paused = await client.schedule_status("a", tenant=tenant)
    await client.resume_schedule("a", tenant=tenant, attribution=ADA)
    await client.unschedule("a", tenant=tenant, attribution=ADA)

    assert sorted(every) == ["a", "b"]
    assert every["b"].next_at == pytest.approx(tomorrow.timestamp())
    assert told == ["b"]
    assert await client.result(run_id, 15) == {"text": "hello Ada"}
    assert paused is not None
    assert (paused.paused, paused.last_run_id) == (True, run_id)
    assert await client.schedule_status("a", tenant=tenant) is None
    assert await audited(client, tenant, 5) == [
        ("set", "a", "ada"),
        ("set", "b", "ada"),
        ("paused", "a", "ada"),
        ("unpaused", "a", "ada"),
        ("deleted", "a", "ada"),
    ]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"cron": "daily"}, "cron 'daily' cannot be read"),
        ({}, "give either cron"),
        ({"cron": "* * * * *", "tz": "Mars", "start_at": datetime(2030, 1, 1)}, "tz 'Mars'"),  # noqa: DTZ001 - in tz
        ({"every_s": 0}, "every_s"),
        ({"every_s": 1, "tenants": "acme"}, "tenants"),
    ],
)
async def test_a_wrong_argument_is_named_before_anything_is_asked(
    client: Client, said: dict[str, Any], named: str
) -> None:
    with pytest.raises(InvalidInputError, match=named):
        await client.schedule("a", "told", **said)


async def test_what_the_platform_refuses_is_raised(client: Client, tenant: str) -> None:
    with pytest.raises(RequestRefusedError, match="no service offers a component 'nothing'"):
        await client.schedule("a", "nothing", every_s=60, tenant=tenant)
    with pytest.raises(RequestRefusedError, match="there is no schedule 'a'"):
        await client.pause_schedule("a", tenant=tenant)


async def test_an_operator_does_all_of_it_from_a_terminal(plan: Plan, client: Client, tenant: str) -> None:
    at = ("--tenant", tenant)
    cron = (
        "--cron",
        "0 2 * * *",
        "--tz",
        "Europe/Amsterdam",
        "--input",
        '{"name": "Ada"}',
        "--misfire",
        "all",
    )

    none = await towpath(plan, "schedules", "list", *at)
    put = await towpath(plan, "schedules", "put", "nightly", "welcome", *cron, *at)
    listed = await towpath(plan, "schedules", "list", *at)
    triggered = await towpath(plan, "schedules", "trigger", "nightly", *at)
    paused = await towpath(plan, "schedules", "pause", "nightly", "--reason", "holidays", *at)
    as_json = await towpath(plan, "schedules", "list", "--json", *at)
    shown = await towpath(plan, "schedules", "show", "nightly", *at)
    resumed = await towpath(plan, "schedules", "resume", "nightly", *at)
    deleted = await towpath(plan, "schedules", "delete", "nightly", *at)
    gone = await towpath(plan, "schedules", "show", "nightly", *at)

    assert none.stderr == "no such schedules\n"
    assert [one.stderr for one in (put, paused, resumed, deleted)] == [
        "schedule nightly is set\n",
        "schedule nightly is paused\n",
        "schedule nightly goes on\n",
        "schedule nightly is deleted\n",
    ]
    assert "0 2 * * * Europe/Amsterdam" in listed.stdout
    assert await client.result(triggered.stdout.strip(), 15) == {"text": "hello Ada"}
    (record,) = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert (record["name"], record["paused"], record["attribution"]["user_id"]) == ("nightly", True, "bob")
    assert "paused" in shown.stdout
    assert triggered.stdout.strip() in shown.stdout
    assert gone.exit_code == 1
    assert "see towpath schedules list" in gone.stderr


async def test_a_wrong_schedule_is_told_in_a_sentence(plan: Plan) -> None:
    wrong = await towpath(plan, "schedules", "put", "nightly", "welcome", "--cron", "never")

    assert wrong.exit_code == 1
    assert "cron 'never' cannot be read" in wrong.stderr
