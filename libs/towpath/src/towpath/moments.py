"""Moments that a run may wait for: after a delay, at a time, at the next time of a cron expression."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from towpath_schemas.recurrence import Cron, cron_of, zone_of

Moment = Callable[[datetime], datetime]
"""Computes a moment from the time now (UTC)."""


def moment_after(
    delay_ms: float | None = None,
    *,
    cron: str | None = None,
    until: datetime | None = None,
    tz: str = "UTC",
) -> Moment:
    """Read what a timer was given, exactly one of `delay_ms`, `cron` and `until`.

    Raises:
        ValueError: If none or several are given, the delay is negative, or the expression or zone is unknown.
    """
    given = [value for value in (delay_ms, cron, until) if value is not None]
    if len(given) != 1:
        raise ValueError("a timer takes exactly one of delay_ms, cron and until")
    if cron is not None:
        return _next_of(cron_of(cron, tz))
    if until is not None:
        at = until if until.tzinfo else until.replace(tzinfo=zone_of(tz))
        return lambda _now: at.astimezone(UTC)
    return _later(delay_ms or 0.0)


def in_seconds(span: float | timedelta) -> float:
    """Tell how many seconds a span has.

    Raises:
        ValueError: If it is negative, or no number.
    """
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{span} is no span of time; give 0 seconds or more")
    return seconds


def _later(delay_ms: float) -> Moment:
    if delay_ms < 0:
        raise ValueError(f"delay_ms is {delay_ms:g}; give 0 or more")
    return lambda now: now + timedelta(milliseconds=delay_ms)


def _next_of(cron: Cron) -> Moment:
    def moment(now: datetime) -> datetime:
        found = cron.after(now)
        if found is None:
            raise ValueError("the cron expression means no moment within fifty years from now")
        return found

    return moment
