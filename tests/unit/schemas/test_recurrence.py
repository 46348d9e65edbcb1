"""The moments of a cron expression, on days when clocks are changed, too."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings, strategies as st

from towpath_schemas.recurrence import cron_of, zone_of

ZONES = (
    "Europe/Amsterdam",
    "America/New_York",
    "America/Sao_Paulo",  # clocks were changed at midnight
    "America/Havana",
    "Africa/Cairo",
    "Asia/Tehran",
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kathmandu",
    "Pacific/Apia",  # left a whole day out
    "UTC",
)
MOMENTS = st.floats(
    datetime(1995, 1, 1, tzinfo=UTC).timestamp(), datetime(2037, 1, 1, tzinfo=UTC).timestamp()
).map(lambda at: datetime.fromtimestamp(at, UTC))
HOURS = st.lists(st.integers(0, 23), min_size=1, max_size=23, unique=True).map(
    lambda some: ",".join(map(str, some))
)
MINUTES = st.one_of(st.just("*"), st.just("*/7"), st.integers(0, 59).map(str))
DAYS = st.sampled_from(["* *", "1 *", "L *", "1-15 *", "* 1,6"])
WEEKDAYS = st.sampled_from(["*", "MON-FRI", "7", "1#2"])
EXPRESSIONS = st.tuples(MINUTES, HOURS, DAYS, WEEKDAYS).map(" ".join)


def local(text: str, tz: str = "Europe/Amsterdam") -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).astimezone(UTC)


def following(expression: str, tz: str, moment: datetime, count: int) -> list[datetime]:
    found: list[datetime] = []
    while len(found) < count:
        after = cron_of(expression, tz).after(found[-1] if found else moment)
        assert after is not None
        found.append(after)
    return found


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("0 2 * * *", "2025-06-01T02:00", "2025-06-02T02:00"),
        ("0 2 * * *", "2025-06-01T01:59:59.5", "2025-06-01T02:00"),
        ("30 2 * * *", "2025-03-29T12:00", "2025-03-30T03:00"),  # 02:30 is left out on the 30th
        ("30 2 * * *", "2025-03-30T03:00", "2025-03-31T02:30"),
        ("0 12 29 2 *", "2025-01-01T00:00", "2028-02-29T12:00"),
        ("15 0 * * * *", "2025-06-01T00:00", "2025-06-01T00:00:15"),
        ("0 9 L * *", "2025-02-01T00:00", "2025-02-28T09:00"),
    ],
)
def test_the_next_moment_is_later_and_the_first_that_fits(expression: str, after: str, expected: str) -> None:
    assert cron_of(expression, "Europe/Amsterdam").after(local(after)) == local(expected)


def test_a_time_that_comes_twice_counts_the_first_time_only() -> None:
    found = following("30 2 * * *", "Europe/Amsterdam", local("2025-10-25T12:00"), 2)

    assert found == [datetime(2025, 10, 26, 0, 30, tzinfo=UTC), datetime(2025, 10, 27, 1, 30, tzinfo=UTC)]
    assert (
        following("30 2 * * *", "Europe/Amsterdam", datetime(2025, 10, 26, 1, 10, tzinfo=UTC), 1) == found[1:]
    )


@pytest.mark.parametrize("hours", ["*", "0-23", "*/1"])
def test_what_comes_every_hour_comes_in_each_hour_that_passes(hours: str) -> None:
    found = following(f"30 {hours} * * *", "Europe/Amsterdam", datetime(2025, 10, 25, 22, tzinfo=UTC), 5)

    assert {later - earlier for earlier, later in pairwise(found)} == {timedelta(hours=1)}


@settings(max_examples=150, deadline=None)
@given(EXPRESSIONS, st.sampled_from(ZONES), MOMENTS)
def test_each_time_that_a_clock_shows_counts_once_at_the_most(
    expression: str, tz: str, moment: datetime
) -> None:
    found = following(expression, tz, moment, 6)

    shown = [one.astimezone(ZoneInfo(tz)).replace(tzinfo=None) for one in found]
    assert all(earlier < later for earlier, later in pairwise([moment, *found]))
    assert len(set(shown)) == len(shown)


@settings(max_examples=150, deadline=None)
@given(
    st.integers(0, 59),
    st.integers(0, 23),
    st.sampled_from([one for one in ZONES if "Apia" not in one]),
    MOMENTS,
)
def test_what_is_daily_comes_once_on_each_day(minute: int, hour: int, tz: str, moment: datetime) -> None:
    found = following(f"{minute} {hour} * * *", tz, moment, 5)

    days = [one.astimezone(ZoneInfo(tz)).date() for one in found]
    assert {later - earlier for earlier, later in pairwise(days)} == {timedelta(days=1)}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 59), st.integers(0, 23), st.sampled_from(ZONES), MOMENTS)
def test_a_moment_does_not_depend_on_when_it_was_asked_for(
    minute: int, hour: int, tz: str, moment: datetime
) -> None:
    (found,) = following(f"{minute} {hour} * * *", tz, moment, 1)

    between = moment + (found - moment) / 2
    assert following(f"{minute} {hour} * * *", tz, between, 1) == [found]


@settings(max_examples=500, deadline=None)
@given(st.text("0123456789*/,-#LW MONJA", max_size=30))
def test_whatever_is_written_is_a_cron_expression_or_a_value_error(expression: str) -> None:
    with suppress(ValueError):
        assert cron_of(expression).after(datetime(2000, 1, 1, tzinfo=UTC)) is not None


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "61 * * * *", "0 0 30 2 *", "* * * * *" * 60, "a b c d e"]
)
def test_what_is_no_cron_expression_is_refused_and_quoted(expression: str) -> None:
    with pytest.raises(ValueError, match="cron"):
        cron_of(expression)


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "America", "../../etc/passwd", "x" * 300, "\0"])
def test_what_is_no_time_zone_is_refused_with_one_that_is(name: str) -> None:
    with pytest.raises(ValueError, match="no time zone; give one such as Europe/Amsterdam"):
        zone_of(name)
