"""Moments that a run may wait for: after a delay, at a time, at the next time of a cron expression."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

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
        return _next_of(cron, _zone(tz))
    if until is not None:
        at = until if until.tzinfo else until.replace(tzinfo=_zone(tz))
        return lambda _now: at.astimezone(UTC)
    return _later(delay_ms or 0.0)


def _later(delay_ms: float) -> Moment:
    if delay_ms < 0:
        raise ValueError(f"delay_ms is {delay_ms:g}; give 0 or more")
    return lambda now: now + timedelta(milliseconds=delay_ms)


def _next_of(cron: str, zone: ZoneInfo) -> Moment:
    try:
        CronSim(cron, datetime(2000, 1, 1, tzinfo=zone))
    except CronSimError as error:
        raise ValueError(
            f"cron {cron!r} cannot be read ({error}); give minute, hour, day, month, day of the week"
        ) from error
    return lambda now: next(CronSim(cron, now.astimezone(zone))).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"tz {name!r} is no time zone; give one such as Europe/Amsterdam") from error
