"""Which moments of a schedule start a run, decided without a router or a clock."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import assume, given, settings, strategies as st
from pydantic import ValidationError

from towpath_router.schedules.moments import due, on_misfire, on_overlap
from towpath_router.schedules.records import paused, set_anew, unpaused
from towpath_schemas.attribution import Attribution
from towpath_schemas.schedules import MOST_AT_ONCE, Misfire, ScheduleDeclared, ScheduleRecord, Timing
from towpath_testkit.scheduled import schedule_record

MADE_AT = 1_700_000_000.123
BY = Attribution(tenant="acme", user_id="bob")
POLICIES = st.sampled_from(["skip", "once", "all"])
SPANS = st.floats(0, 40_000)


def record(**changes: Any) -> ScheduleRecord:
    timed = {} if "cron" in changes else {"every_s": 600.0}
    return schedule_record(**{**timed, "created_at": MADE_AT, "seen_to": MADE_AT, **changes})


# --- Timing -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.floats(1, 1e6), st.floats(0, 4e9), st.floats(-1e6, 1e7))
def test_an_interval_has_moments_at_its_steps_from_when_it_was_made(
    every_s: float, made_at: float, later_s: float
) -> None:
    timing, moment = Timing(every_s=every_s), made_at + later_s

    found = timing.next_after(moment, made_at=made_at)

    assert found is not None
    assert found > moment
    assert found - max(moment, made_at - every_s) <= every_s * 1.001
    steps = round((found - made_at) / every_s)
    assert found == made_at + steps * every_s


def test_a_start_is_the_first_moment_of_an_interval_and_an_end_may_be_the_last() -> None:
    timing = Timing(every_s=10, start_at=100, end_at=120)

    moments = [timing.next_after(at, made_at=3.0) for at in (3.0, 100.0, 110.0, 120.0)]

    assert moments == [100.0, 110.0, 120.0, None]


def test_a_cron_expression_has_no_moment_before_its_start_and_may_have_one_at_it() -> None:
    timing = Timing(cron="* * * * *", start_at=600, end_at=660)

    moments = [timing.next_after(at, made_at=0.0) for at in (0.0, 600.0, 660.0)]

    assert moments == [600.0, 660.0, None]


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, "give either cron"),
        ({"cron": "* * * * *", "every_s": 1}, "give either cron"),
        ({"cron": "every day"}, "cron 'every day' cannot be read"),
        ({"cron": ""}, "cron '' cannot be read"),
        ({"cron": "0 0 31 2 *"}, "cron"),
        ({"cron": "* * * * *", "tz": "Mars"}, "tz 'Mars' is no time zone"),
        ({"every_s": 1, "tz": "Mars"}, "tz 'Mars' is no time zone"),
        ({"every_s": 0.5}, "every_s"),
        ({"every_s": float("nan")}, "every_s"),
        ({"every_s": 1, "start_at": 9, "end_at": 8}, "end_at is before start_at"),
        ({"every_s": 1, "misfire": "twice"}, "misfire"),
        ({"every_s": 1, "grace_s": 0}, "grace_s"),
        ({"every_s": 1, "catch_up_limit": 0}, "catch_up_limit"),
        ({"every_s": 1, "name": "\N{HORSE}" * 200}, "name"),
        ({"every_s": 1, "input": "x" * 65_536}, "input"),
        ({"every_s": 1, "input": object()}, "input"),
    ],
)
def test_what_can_be_no_schedule_is_refused_by_name(said: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        ScheduleDeclared(**said)


# --- What is due ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(SPANS, SPANS)
def test_what_is_due_is_every_moment_since_the_last_look_once(first_s: float, then_s: float) -> None:
    start = record(every_s=37.0)
    one, two = MADE_AT + first_s, MADE_AT + first_s + then_s

    once = due(start, two)
    twice = [*due(start, one), *due(start.seen(one), two)]

    assume(len(once) < MOST_AT_ONCE)
    assert once == twice
    assert all(later - earlier == pytest.approx(37.0) for earlier, later in pairwise([MADE_AT, *once]))


@pytest.mark.parametrize("timing", [{"every_s": 1}, {"cron": "* * * * * *"}, {"cron": "*/5 * * * *"}])
def test_after_a_very_long_time_the_last_moments_are_due(timing: dict[str, Any]) -> None:
    now = MADE_AT + 400 * 86_400

    found = due(record(**timing), now)

    assert len(found) == MOST_AT_ONCE
    assert 0 <= now - found[-1] < 300
    assert len({round(later - earlier) for earlier, later in pairwise(found)}) == 1


def test_nothing_is_due_before_the_next_moment() -> None:
    assert due(record(), MADE_AT + 599) == []
    assert due(record(), MADE_AT + 600) == [MADE_AT + 600]


# --- Policies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misfire", "late_s", "expected"),
    [
        ("skip", 0, [3]),
        ("once", 0, [3]),
        ("all", 0, [1, 2, 3]),
        ("skip", 61, []),
        ("once", 61, [3]),
        ("all", 61, [1, 2, 3]),
    ],
)
def test_missed_moments_are_left_out_made_up_for_once_or_each(
    misfire: Misfire, late_s: float, expected: list[int]
) -> None:
    passed = [MADE_AT + 600 * number for number in (1, 2, 3)]

    chosen = on_misfire(record(misfire=misfire).definition, passed, passed[-1] + late_s)

    assert chosen == [passed[number - 1] for number in expected]


@settings(deadline=None)
@given(POLICIES, st.integers(1, 20), st.floats(1, 3_600), st.integers(1, 50), SPANS)
def test_what_is_chosen_is_due_in_order_within_the_limit_and_never_less_than_what_is_on_time(
    misfire: Misfire, limit: int, grace_s: float, every_s: int, span_s: float
) -> None:
    start = record(misfire=misfire, catch_up_limit=limit, grace_s=grace_s, every_s=every_s)
    now = MADE_AT + span_s
    moments = due(start, now)

    chosen = on_misfire(start.definition, moments, now)

    on_time = [moment for moment in moments if now - moment <= grace_s]
    assert chosen == [moment for moment in moments if moment in set(chosen)]
    assert len(chosen) <= limit
    assert chosen[-limit:] == chosen
    assert set(on_time[-limit:]) <= set(chosen)
    assert bool(chosen) == bool(on_time if misfire == "skip" else moments)


def test_one_run_at_a_time_means_the_first_and_cancelling_means_the_last() -> None:
    moments = [1.0, 2.0, 3.0]

    assert on_overlap("allow", moments, goes_on=True) == moments
    assert on_overlap("skip", moments, goes_on=True) == []
    assert on_overlap("skip", moments, goes_on=False) == [1.0]
    assert on_overlap("cancel", moments, goes_on=True) == [3.0]


# --- Changes ----------------------------------------------------------------------------------------


def test_a_schedule_that_is_set_again_keeps_what_it_has_done_and_when_it_is_due() -> None:
    before = record().seen(MADE_AT + 1_300, started=2, last_run_id="run-2", paused=True)

    after = set_anew(before, record(input=5).definition, BY, changed_by="request-2", at=MADE_AT + 10_000)

    kept = ("schedule_id", "created_at", "started", "last_run_id", "paused", "seen_to", "next_at")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert (after.definition.input, after.attribution, after.changed_by) == (5, BY, "request-2")


def test_a_schedule_that_is_given_other_moments_has_none_that_has_passed() -> None:
    now = MADE_AT + 10_000

    after = set_anew(record(), record(every_s=60.0).definition, BY, changed_by="request-2", at=now)

    assert due(after, now) == []
    assert after.next_at is not None
    assert now < after.next_at <= now + 60


def test_moments_that_pass_while_a_schedule_is_paused_are_not_made_up_for() -> None:
    now = MADE_AT + 10_000

    after = unpaused(paused(record(misfire="all"), by="request-2"), by="request-3", at=now)

    assert due(after, now) == []
    assert (after.paused, after.missed) == (False, 0)


def test_unpausing_what_is_not_paused_leaves_out_nothing() -> None:
    now = MADE_AT + 10_000

    assert due(unpaused(record(), by="request-2", at=now), now) == due(record(), now) != []


def test_a_schedule_has_no_more_runs_than_it_may_have() -> None:
    start = record(max_runs=3, started=1)

    assert start.runs_left == 2
    assert start.seen(MADE_AT + 700, starting=(MADE_AT + 600,)).next_at is not None
    assert start.seen(MADE_AT + 700, started=3).next_at is None
