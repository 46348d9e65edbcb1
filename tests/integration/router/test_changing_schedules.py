"""Schedules are made, changed, paused, triggered and deleted as requests ask, once each, and the journal says for whom."""

import time
from typing import Any

import pytest

from towpath_router.schedules.starting import SCHEDULED_AT
from towpath_schemas import subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.components import ServiceRegistered
from towpath_schemas.journal import StartRefused, read_record
from towpath_schemas.requests import RequestDone, RequestRefused, RunAccepted
from towpath_schemas.streams import JOURNAL, ROUTER_SCHEDULES, SCHEDULES
from towpath_testkit.asking import code_of
from towpath_testkit.builders import TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.scheduled import (
    NAME,
    changes,
    keep,
    kept,
    schedule,
    schedule_record,
    scheduled,
    steer,
)
from towpath_testkit.settled import messages_in, settled, until

pytestmark = pytest.mark.live

STEERING = ("unschedule", "pause-schedule", "unpause-schedule", "trigger-schedule")


async def test_a_schedule_is_made_with_all_that_was_said_and_its_alarm_is_set(towpath: Platform) -> None:
    before = time.time()

    done = await schedule(
        towpath.js,
        cron="0 2 * * *",
        tz="Europe/Amsterdam",
        input={"days": 3},
        misfire="all",
        overlap="skip",
        attribution={"user_id": "ada"},
        request_id="request-1",
    )

    assert done == RequestDone(subject=subjects.request(TENANT, "schedule", NAME), targets=(NAME,))
    record = await kept(towpath.js)
    assert record is not None
    assert (record.definition.cron, record.definition.tz) == ("0 2 * * *", "Europe/Amsterdam")
    assert (record.definition.input, record.definition.misfire) == ({"days": 3}, "all")
    assert (record.attribution, record.declared_by) == (Attribution(tenant=TENANT, user_id="ada"), None)
    assert before - 1 < record.created_at < time.time() + 1
    assert record.next_at is not None
    assert 0 < record.next_at - before < 86_401
    alarm = await towpath.js.last(SCHEDULES, subjects.schedule_alarm(TENANT, NAME))
    assert alarm is not None
    assert alarm.headers["Nats-TTL"] == "never"


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"cron": "every day"}, "cron 'every day' cannot be read"),
        ({"cron": "* * * * *", "every_s": 5}, "give either cron"),
        ({"cron": None}, "give either cron"),
        ({"cron": "* * * * *", "tz": "Mars"}, "tz 'Mars' is no time zone; give one such as Europe/Amsterdam"),
        ({"every_s": 0.1}, "every_s: Input should be greater than or equal to 1"),
        ({"every_s": 5, "misfire": "maybe"}, "misfire"),
        ({"every_s": 5, "overlap": 7}, "overlap"),
        ({"every_s": 5, "input": "x" * 70_000}, "input"),
        ({"every_s": 5, "surprise": 1}, "surprise"),
    ],
)
async def test_what_can_be_no_schedule_is_refused_with_the_field_and_the_remedy(
    towpath: Platform, said: dict[str, Any], named: str
) -> None:
    refused = await schedule(towpath.js, **said)

    assert isinstance(refused, RequestRefused)
    assert refused.failure.code == "malformed"
    assert named in refused.failure.message
    assert await messages_in(towpath.js, SCHEDULES) == 0


async def test_a_component_that_nobody_offers_is_refused_by_name(towpath: Platform) -> None:
    refused = await schedule(towpath.js, component="gret")

    assert isinstance(refused, RequestRefused)
    assert refused.failure.code == "unknown_component"
    assert "greet" in refused.failure.message


async def test_a_name_that_fits_no_subject_is_refused(towpath: Platform) -> None:
    assert code_of(await schedule(towpath.js, name="\N{HORSE}" * 80)) == "malformed"


@pytest.mark.parametrize("verb", STEERING)
@pytest.mark.parametrize("tenant", [TENANT, "other"])
async def test_what_is_asked_of_a_schedule_that_the_tenant_does_not_have_is_refused(
    towpath: Platform, verb: str, tenant: str
) -> None:
    if tenant == "other":
        await schedule(towpath.js)

    refused = await steer(towpath.js, verb, tenant=tenant)

    assert code_of(refused) == "unknown_schedule"
    entries = [read_record(one.body) for one in await towpath.js.newest_of_each(JOURNAL, "journal.v1.>")]
    assert [one.attribution.tenant for one in entries if isinstance(one, StartRefused)] == [tenant]


async def test_each_change_is_journaled_once_for_whom_it_was(towpath: Platform) -> None:
    js = towpath.js
    await schedule(js, attribution={"user_id": "ada"}, request_id="request-1")
    for number, verb in enumerate(("pause-schedule", "unpause-schedule", "unschedule"), 2):
        for _ in range(2):
            done = await steer(
                js, verb, request_id=f"request-{number}", attribution={"user_id": "bob"}, reason="holidays"
            )
            assert isinstance(done, RequestDone)
            assert done.targets == (NAME,)

    told = await changes(js)

    assert [(one.change, one.attribution.user_id, one.correlation_id, one.reason) for one in told] == [
        ("set", "ada", "request-1", None),
        ("paused", "bob", "request-2", "holidays"),
        ("unpaused", "bob", "request-3", "holidays"),
        ("deleted", "bob", "request-4", "holidays"),
    ]
    assert [one.definition is None for one in told] == [False, True, True, True]
    assert len({one.schedule_id for one in told}) == 1
    assert await messages_in(js, SCHEDULES) == 0


async def test_a_paused_schedule_starts_nothing_and_goes_on_with_its_next_moment(towpath: Platform) -> None:
    js = towpath.js
    await schedule(js, every_s=1)
    await steer(js, "pause-schedule")
    await settled(js, SCHEDULES, ROUTER_SCHEDULES)
    record, before = await kept(js), await scheduled(js)
    assert record is not None
    missed = record.model_copy(update={"seen_to": time.time() - 30, "next_at": time.time() - 29})
    await keep(js, missed)

    await steer(js, "unpause-schedule")

    after = await until(lambda: scheduled(js), lambda seen: len(seen) == len(before) + 2)
    record = await kept(js)
    assert record is not None
    assert (record.paused, record.missed) == (False, 0)
    assert len(after) == len(before) + 2


async def test_a_schedule_that_is_set_again_keeps_its_progress_and_works_for_who_set_it(
    towpath: Platform,
) -> None:
    js = towpath.js
    await schedule(js, attribution={"user_id": "ada"})
    await steer(js, "pause-schedule")
    first = await kept(js)

    await schedule(js, every_s=60, input=5, attribution={"user_id": "bob"})

    second = await kept(js)
    assert first is not None
    assert second is not None
    assert (second.schedule_id, second.created_at) == (first.schedule_id, first.created_at)
    assert (second.paused, second.attribution.user_id, second.definition.input) == (True, "bob", 5)
    assert second.next_at is not None
    assert second.next_at - time.time() < 60


async def test_a_deleted_schedule_is_gone_and_one_made_again_is_another(towpath: Platform) -> None:
    js = towpath.js
    await schedule(js, every_s=1, request_id="request-1")
    first = await kept(js)

    await steer(js, "unschedule", request_id="request-2")
    gone = await kept(js)
    await schedule(js, request_id="request-3")
    await steer(js, "unschedule", request_id="request-2")  # delivered again

    second = await kept(js)
    assert first is not None
    assert second is not None
    assert gone is None
    assert second.schedule_id != first.schedule_id
    assert await js.last(SCHEDULES, subjects.schedule_alarm(TENANT, NAME)) is not None


async def test_a_request_that_comes_again_after_its_schedule_was_deleted_does_not_make_it_again(
    towpath: Platform,
) -> None:
    await schedule(towpath.js, request_id="request-1")
    await steer(towpath.js, "unschedule")

    again = await schedule(towpath.js, request_id="request-1")

    assert isinstance(again, RequestDone)
    assert await kept(towpath.js) is None


@pytest.mark.parametrize("paused", [False, True])
async def test_a_schedule_is_triggered_for_who_asks_and_its_moments_stay(
    towpath: Platform, *, paused: bool
) -> None:
    js = towpath.js
    before = await keep(js, schedule_record(input={"name": "Ada"}, paused=paused))

    told = [
        await steer(js, "trigger-schedule", request_id="request-1", attribution={"user_id": "bob"})
        for _ in range(2)
    ]

    (run,) = (await scheduled(js)).values()
    first, again = told
    assert isinstance(first, RunAccepted)
    assert again == first.model_copy(update={"existed": True})
    assert (run.input, run.attribution.user_id, run.correlation_id) == ({"name": "Ada"}, "bob", "request-1")
    assert SCHEDULED_AT in run.headers
    record = await kept(js)
    assert record == before.model_copy(update={"last_run_id": first.run_id})


@pytest.mark.parametrize("verb", ["schedule", *STEERING])
async def test_a_router_that_died_before_it_said_so_is_made_up_for(towpath: Platform, verb: str) -> None:
    """Whatever it had done by then, the request that comes again does the rest, and nothing twice."""
    js = towpath.js
    (router,) = towpath._hosted
    if verb != "schedule":
        await schedule(js, request_id="request-0")
    subject = subjects.request(TENANT, verb, NAME)
    body = b'{"component":"greet","every_s":3600}' if verb == "schedule" else b"{}"
    await js.publish(subject, body, headers={"ce-id": "request-1"})
    await router.crash()
    await towpath.router(ack_wait_s=0.5)

    word = await (
        schedule(js, request_id="request-1")
        if verb == "schedule"
        else steer(js, verb, request_id="request-1")
    )

    assert code_of(word) is None
    told = [one for one in await changes(js) if one.correlation_id == "request-1"]
    assert len(told) == (0 if verb == "trigger-schedule" else 1)
    assert len(await scheduled(js)) == (1 if verb == "trigger-schedule" else 0)
    assert (await kept(js) is None) == (verb == "unschedule")


async def test_a_component_that_is_gone_cannot_be_triggered(towpath: Platform) -> None:
    js = towpath.js
    await schedule(js)
    await js.publish(
        subjects.catalogue("hello"),
        ServiceRegistered(service="hello", version="2", components=()).to_body(),
    )

    async def trigger() -> str | None:
        return code_of(await steer(js, "trigger-schedule"))

    assert await until(trigger, lambda code: code == "unknown_component")
