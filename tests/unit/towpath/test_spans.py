"""Spans of time as programs give them."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from towpath.errors import ConfigurationError
from towpath.moments import moment_after
from towpath.spans import LONGEST_S, MILLISECOND_S, at_most_s, lasting_s

NO_SPANS = ["5", math.nan, True, [1], 10**400, LONGEST_S * 1_001, timedelta(days=40_000)]


@pytest.mark.parametrize(
    ("span", "unit_s", "seconds"),
    [(2, 1.0, 2.0), (250, MILLISECOND_S, 0.25), (timedelta(days=2), MILLISECOND_S, 172_800.0), (0, 1.0, 0.0)],
)
def test_a_span_is_a_number_of_its_unit_or_a_timedelta(span: Any, unit_s: float, seconds: float) -> None:
    assert lasting_s("delay", span, unit_s) == seconds
    assert at_most_s("timeout", span, unit_s) == seconds


@pytest.mark.parametrize("span", [*NO_SPANS, -1, math.inf, None])
def test_what_cannot_last_is_refused_by_name_and_with_the_remedy(span: Any) -> None:
    with pytest.raises(
        ConfigurationError, match=r"^delay_ms is .+; give a number of milliseconds, 0 or more"
    ):
        lasting_s("delay_ms", span, MILLISECOND_S)


@pytest.mark.parametrize("span", NO_SPANS)
def test_a_limit_that_is_no_time_is_refused_by_name_and_with_the_remedy(span: Any) -> None:
    with pytest.raises(ConfigurationError, match=r"^timeout is .+; give a number of seconds"):
        at_most_s("timeout", span)


@pytest.mark.parametrize(("span", "seconds"), [(None, None), (math.inf, None), (-3, 0.0)])
def test_a_limit_may_be_for_ever_or_over_already(span: Any, seconds: float | None) -> None:
    assert at_most_s("timeout", span) == seconds


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        (
            {"until": "2025-01-02T00:00:00"},
            r"until is '2025.+; give a datetime, which datetime.fromisoformat",
        ),
        ({"cron": 5}, "cron is 5; give text, such as '0 9 "),
        ({"cron": "0 9 * * *", "tz": None}, "tz is None; give text, such as 'Europe/Amsterdam'"),
        ({"cron": "at noon"}, "cron 'at noon' cannot be read"),
        ({"cron": "0 9 * * *", "tz": "Mars"}, "tz 'Mars' is no time zone"),
        ({"until": datetime(2030, 1, 1), "tz": "Mars"}, "tz 'Mars' is no time zone"),  # noqa: DTZ001
        ({"delay_ms": "5"}, "delay_ms is '5'; give a number of milliseconds"),
        ({}, "exactly one of delay_ms, cron and until"),
    ],
)
def test_a_timer_that_cannot_be_read_is_refused_by_name(said: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConfigurationError, match=refusal):
        moment_after(**said)


def test_a_moment_more_than_a_century_away_is_refused() -> None:
    moment = moment_after(until=datetime(2300, 1, 1, tzinfo=UTC))

    with pytest.raises(ConfigurationError, match="within a century"):
        moment(datetime(2025, 1, 1, tzinfo=UTC))
