"""A schedule starts one run for each of its moments, whoever dies and whoever looks twice."""

import time
from datetime import datetime
from itertools import pairwise

import pytest

from towpath_chassis.jetstream import JetStream
from towpath_router.schedules.kept import Schedules
from towpath_schemas import identity, subjects
from towpath_schemas.attribution import Attribution
from towpath_schemas.calls import ControlSent, RunDispatched
from towpath_schemas.components import ServiceRegistered
from towpath_schemas.journal import RunFinished, StartRefused, read_record
from towpath_schemas.requests import ScheduleRequested
from towpath_schemas.schedules import Misfire, Overlap, ScheduleDue, ScheduleRecord
from towpath_schemas.streams import INBOX, JOURNAL, ROUTER_SCHEDULES, RUNS, SCHEDULES
from towpath_schemas.succession import RunLine
from towpath_testkit.builders import SERVICE, TENANT
from towpath_testkit.hosting import Platform
from towpath_testkit.journals import run_started, write_journal
from towpath_testkit.scheduled import NAME, keep, kept, schedule, schedule_record, scheduled
from towpath_testkit.servers import Servers
from towpath_testkit.settled import messages_in, settled, until, until_so

pytestmark = pytest.mark.live

TENTH_MINUTE_S = 600.0


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def gaps(moments: list[str]) -> set[float]:
    at = [seconds(moment) for moment in moments]
    return {round(later - earlier, 3) for earlier, later in pairwise(at)}


async def stop_routers(towpath: Platform) -> None:
    for router in towpath._hosted:
        await router.stop()


async def look(js: JetStream, schedule_id: str = "schedule-1") -> None:
    """Tell the router that a moment has come, and wait until it has looked."""
    told = ScheduleDue(schedule_id=schedule_id).to_body()
    await js.publish(subjects.schedule_due(TENANT, NAME), told)
    await settled(js, SCHEDULES, ROUTER_SCHEDULES)


def missed_five(**changes: object) -> ScheduleRecord:
    """Every ten minutes: five moments have passed, the last five minutes ago."""
    return schedule_record(every_s=TENTH_MINUTE_S, created_at=time.time() - 3_300, **changes)


def run_of(record: ScheduleRecord, moment: float) -> str:
    return identity.scheduled_run_id(record.schedule_id, repr(moment))


async def test_each_moment_starts_a_run_that_knows_its_schedule_and_its_moment(towpath: Platform) -> None:
    before = time.time()
    await schedule(towpath.js, every_s=1, input={"name": "Ada"}, attribution={"user_id": "ada"})

    runs = await until(lambda: scheduled(towpath.js), lambda seen: len(seen) == 2)

    (first, second), (run, _) = runs, runs.values()
    assert 1 <= seconds(first) - before < 2
    assert seconds(second) == pytest.approx(seconds(first) + 1)
    assert 0 <= run.at - seconds(first) < 1
    assert (run.component, run.component_kind, run.service) == ("greet", "workflow", SERVICE)
    assert (run.input, run.attribution) == ({"name": "Ada"}, Attribution(tenant=TENANT, user_id="ada"))
    assert run.correlation_id == f"schedule:{NAME}"
    record = await until(lambda: kept(towpath.js), lambda seen: seen is not None and seen.started == 2)
    assert record is not None
    assert (record.last_at, record.missed) == (pytest.approx(seconds(second)), 0)
    assert record.next_at == pytest.approx(seconds(second) + 1)


async def test_a_cron_schedule_starts_runs_on_the_second(towpath: Platform) -> None:
    await schedule(towpath.js, cron="* * * * * *", tz="Europe/Amsterdam")

    runs = await until(lambda: scheduled(towpath.js), bool)

    assert all(seconds(moment) % 1 == 0 for moment in runs)


@pytest.mark.parametrize(
    ("misfire", "limit", "expected", "missed"),
    [("skip", 100, 0, 5), ("once", 100, 1, 4), ("all", 100, 5, 0), ("all", 2, 2, 3)],
)
async def test_moments_that_passed_while_no_router_was_there_are_treated_as_the_policy_says(
    towpath: Platform, misfire: Misfire, limit: int, expected: int, missed: int
) -> None:
    await stop_routers(towpath)
    record = await keep(towpath.js, missed_five(misfire=misfire, catch_up_limit=limit))
    await towpath.router()

    seen = await until(lambda: kept(towpath.js), lambda one: one is not None and one.seen_to > record.seen_to)
    await settled(towpath.js, SCHEDULES, ROUTER_SCHEDULES)

    passed = [record.created_at + TENTH_MINUTE_S * number for number in range(1, 6)]
    started = [seconds(moment) for moment in await scheduled(towpath.js)]
    assert started == pytest.approx(passed[5 - expected :])
    after = await kept(towpath.js)
    assert seen is not None
    assert after is not None
    assert (after.started, after.missed, after.starting) == (expected, missed, ())
    assert after.next_at == pytest.approx(record.created_at + 6 * TENTH_MINUTE_S)
    assert await towpath.js.last(SCHEDULES, subjects.schedule_alarm(TENANT, NAME)) is not None


async def test_a_schedule_that_was_asked_for_while_everything_was_down_starts_a_run_at_once(
    towpath: Platform,
) -> None:
    await stop_routers(towpath)
    asked = ScheduleRequested(component="greet", every_s=1, max_runs=1)
    await towpath.js.publish(subjects.request(TENANT, "schedule", NAME), asked.to_body())
    due = time.time() + 1.1
    await until_so(lambda: time.time() > due)

    await towpath.router()
    back = time.time()

    (run,) = (await until(lambda: scheduled(towpath.js), bool)).values()
    assert run.at - back < 1


async def test_of_two_routers_one_starts_the_run_of_each_moment_and_none_is_left_out(
    towpath: Platform,
) -> None:
    await towpath.router()
    await schedule(towpath.js, every_s=1)
    await schedule(towpath.js, name="other", every_s=1)

    runs = await until(lambda: scheduled(towpath.js), lambda seen: len(seen) >= 3)
    other = await until(lambda: scheduled(towpath.js, name="other"), lambda seen: len(seen) >= 3)

    assert gaps([*runs]) == gaps([*other]) == {1.0}
    await until(lambda: messages_in(towpath.js, RUNS), lambda count: count >= len(runs) + len(other))


async def test_a_killed_router_leaves_no_moment_out_and_none_twice(towpath: Platform) -> None:
    await stop_routers(towpath)
    await keep(towpath.js, schedule_record(every_s=1, misfire="all"))
    for count in (1, 2, 3):
        router = await towpath.router(ack_wait_s=0.5)
        await until(lambda: scheduled(towpath.js), lambda seen, least=count: len(seen) >= least)
        await router.crash()
    await towpath.router(ack_wait_s=0.5)

    runs = await until(lambda: scheduled(towpath.js), lambda seen: len(seen) >= 4)

    assert gaps([*runs]) == {1.0}


async def test_a_router_that_died_while_it_started_runs_is_made_up_for(towpath: Platform) -> None:
    await stop_routers(towpath)
    known = missed_five(misfire="all")
    first, second = known.created_at + TENTH_MINUTE_S, known.created_at + 2 * TENTH_MINUTE_S
    begun = known.seen(second, starting=(first, second))
    headers = {"towpath-schedule": NAME, "towpath-scheduled-at": "the-first"}
    await write_journal(towpath.js, run_of(begun, first), [run_started(headers=headers)])
    await keep(towpath.js, begun)
    await towpath.router()

    runs = await until(lambda: scheduled(towpath.js), lambda seen: len(seen) == 5)

    assert "the-first" in runs
    record = await until(lambda: kept(towpath.js), lambda seen: seen is not None and seen.started == 5)
    assert record is not None
    assert record.starting == ()


async def test_a_look_that_finds_nothing_to_do_does_nothing(towpath: Platform) -> None:
    record = await keep(towpath.js, schedule_record(created_at=time.time() - 60))

    await look(towpath.js)
    await look(towpath.js)

    assert await kept(towpath.js) == record
    assert await scheduled(towpath.js) == {}


@pytest.mark.parametrize("stale", ["another", "paused", "gone"])
async def test_a_look_at_what_is_gone_paused_or_another_by_now_does_nothing(
    towpath: Platform, stale: str
) -> None:
    record = missed_five(schedule_id="schedule-2", paused=stale == "paused")
    if stale != "gone":
        await keep(towpath.js, record.model_copy(update={"next_at": time.time() + 3_600}))

    await look(towpath.js, "schedule-2" if stale == "paused" else "schedule-1")

    assert await scheduled(towpath.js) == {}
    assert (await kept(towpath.js) is None) == (stale == "gone")


@pytest.mark.parametrize(("policy", "started"), [("allow", 1), ("skip", 0), ("cancel", 1)])
@pytest.mark.parametrize("ended", [False, True], ids=["goes-on", "ended"])
async def test_what_becomes_of_a_moment_while_the_run_before_goes_on(
    towpath: Platform, policy: Overlap, started: int, *, ended: bool
) -> None:
    js = towpath.js
    finished = [RunFinished(at=2.0, end="continued", successor="second")]
    await write_journal(js, "first", [run_started(), *finished])
    await write_journal(js, "second", [run_started(), *([RunFinished(at=3.0, end="completed")] * ended)])

    await keep(js, missed_five(overlap=policy, last_run_id="first"))

    expected = 1 if ended else started
    record = await until(lambda: kept(js), lambda one: one is not None and one.started + one.overlapped > 0)
    await settled(js, SCHEDULES, ROUTER_SCHEDULES)
    assert len(await scheduled(js)) == expected
    assert record is not None
    assert (record.overlapped, record.missed) == (1 - expected, 4)
    controls = await js.following(
        INBOX, subjects.inbox("second", "control", "*").replace("-x2a", "*"), start=1
    )
    told = [ControlSent.from_body(one.body).control for one in controls]
    assert told == (["cancel"] if policy == "cancel" and not ended else [])


async def test_the_run_before_goes_on_in_another_though_it_is_forgotten(towpath: Platform) -> None:
    js = towpath.js
    line = RunLine(newest="now", number=2, previous="second", tenant="acme")
    await js.publish(subjects.line("first"), line.to_body())
    await write_journal(js, "now", [run_started()])

    await keep(js, missed_five(overlap="skip", last_run_id="first"))

    record = await until(lambda: kept(js), lambda one: one is not None and one.started + one.overlapped > 0)
    assert record is not None
    assert (record.started, record.overlapped) == (0, 1)


async def test_of_many_moments_at_once_a_schedule_whose_runs_may_not_overlap_starts_one(
    towpath: Platform,
) -> None:
    first = await keep(towpath.js, missed_five(misfire="all", overlap="skip"))
    await until(lambda: scheduled(towpath.js), bool)
    await settled(towpath.js, SCHEDULES, ROUTER_SCHEDULES)

    (moment,) = await scheduled(towpath.js)

    assert seconds(moment) == pytest.approx(first.created_at + TENTH_MINUTE_S)


async def test_with_jitter_a_run_exists_at_once_and_is_handed_over_later(towpath: Platform) -> None:
    await keep(
        towpath.js, schedule_record(every_s=1, created_at=time.time() - 1, jitter_s=86_400, max_runs=1)
    )

    await until(lambda: scheduled(towpath.js), bool)
    await settled(towpath.js, SCHEDULES, ROUTER_SCHEDULES)

    assert await messages_in(towpath.js, RUNS) == 0
    (timer,) = await towpath.js.following(INBOX, "timers.v1.>", start=1)
    at = datetime.fromisoformat(timer.headers["Nats-Schedule"].removeprefix("@at ")).timestamp()
    assert time.time() < at < time.time() + 86_400
    assert RunDispatched.from_body(timer.body).reason == "start"


async def test_a_schedule_ends_with_its_last_run(towpath: Platform) -> None:
    await keep(towpath.js, missed_five(misfire="all", max_runs=2))

    record = await until(lambda: kept(towpath.js), lambda seen: seen is not None and seen.started == 2)

    assert record is not None
    assert record.next_at is None
    assert len(await scheduled(towpath.js)) == 2
    await settled(towpath.js, SCHEDULES, ROUTER_SCHEDULES)
    assert await towpath.js.last(SCHEDULES, subjects.schedule_alarm(TENANT, NAME)) is None


async def test_a_schedule_ends_at_its_end(towpath: Platform) -> None:
    await keep(towpath.js, missed_five(misfire="all", end_at=time.time() - 1_000))

    record = await until(lambda: kept(towpath.js), lambda seen: seen is not None and seen.started == 3)

    assert record is not None
    assert record.next_at is None


async def test_a_moment_whose_component_nobody_offers_is_refused_in_the_journal_and_the_next_starts_a_run(
    towpath: Platform,
) -> None:
    js = towpath.js
    await keep(js, schedule_record(every_s=1, component="later"))

    record = await until(lambda: kept(js), lambda seen: seen is not None and seen.trouble is not None)

    assert record is not None
    assert record.trouble is not None
    assert (record.trouble.code, record.started) == ("unknown_component", 0)
    entries = [read_record(one.body) for one in await js.newest_of_each(JOURNAL, "journal.v1.>")]
    refused = [one for one in entries if isinstance(one, StartRefused)]
    assert refused[0].subject == subjects.request(TENANT, "start", "later")
    assert refused[0].attribution.user_id == "ada"
    late = {"name": "later", "kind": "function"}
    registered = ServiceRegistered.model_validate({"service": "late", "version": "1", "components": [late]})
    await js.publish(subjects.catalogue("late"), registered.to_body())
    assert await until(lambda: scheduled(js), bool)
    mended = await until(lambda: kept(js), lambda seen: seen is not None and seen.started > 0)
    assert mended is not None
    assert mended.trouble is None


async def test_a_router_that_starts_sets_the_alarms_that_are_missing(towpath: Platform) -> None:
    js = towpath.js
    await keep(js, schedule_record())
    await js.purge(SCHEDULES, subjects.schedule_alarm(TENANT, NAME))

    await towpath.router()

    await until(lambda: js.last(SCHEDULES, subjects.schedule_alarm(TENANT, NAME)), bool)


async def test_who_was_overtaken_sets_no_alarm(towpath: Platform) -> None:
    schedules, alarm = Schedules(towpath.js), subjects.schedule_alarm(TENANT, NAME)
    old = await schedules.write(schedule_record(every_s=7_200), over=None)
    new = await schedules.write(schedule_record(every_s=3_600), over=old)
    await schedules.set_alarm(new)
    before = await towpath.js.last(SCHEDULES, alarm)

    await schedules.set_alarm(old)
    await schedules.delete(TENANT, NAME, "schedule-1")
    await schedules.set_alarm(new)

    assert before is not None
    assert await towpath.js.last(SCHEDULES, alarm) is None


async def test_a_schedule_survives_a_kill_of_the_broker(towpath: Platform, broker: Servers) -> None:
    await stop_routers(towpath)
    await towpath.router(ack_wait_s=0.5)
    await schedule(towpath.js, every_s=1, misfire="all")
    await until(lambda: scheduled(towpath.js), bool)

    await broker.nats.restart()

    runs = await until(lambda: scheduled(towpath.js), lambda seen: len(seen) >= 3)
    assert gaps([*runs]) == {1.0}
