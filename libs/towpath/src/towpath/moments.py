"""Moments that a run may wait for: after a delay, at a time, at the next time of a cron expression."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from towpath.errors import ConfigurationError
from towpath.spans import LONGEST_S, MILLISECOND_S, lasting_s
from towpath_schemas.recurrence import Cron, cron_of, zone_of

T = TypeVar("T")

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
        ConfigurationError: If none or several are given, one is of a wrong type or out of range, or the zone is unknown.
    """
    given = [value for value in (delay_ms, cron, until) if value is not None]
    if len(given) != 1:
        raise ConfigurationError("a timer takes exactly one of delay_ms, cron and until")
    if cron is not None:
        expression = _text("cron", cron, "0 9 * * MON-FRI")
        return _next_of(_understood(cron_of, expression, _text("tz", tz, "Europe/Amsterdam")))
    if until is not None:
        return _at(until, _text("tz", tz, "Europe/Amsterdam"))
    return later(lasting_s("delay_ms", delay_ms, MILLISECOND_S))


def later(seconds: float) -> Moment:
    """Make the moment that is so many seconds from now."""
    return lambda now: now + timedelta(seconds=seconds)


def _text(name: str, said: object, example: str) -> str:
    if not isinstance(said, str):
        raise ConfigurationError(f"{name} is {said!r}; give text, such as {example!r}")
    return said


def _understood(read: Callable[..., T], *said: str) -> T:
    """Read text that may mean nothing."""
    try:
        return read(*said)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error


def _at(until: object, tz: str) -> Moment:
    if not isinstance(until, datetime):
        raise ConfigurationError(
            f"until is {until!r}; give a datetime, which datetime.fromisoformat(...) makes of text"
        )
    at = (until if until.tzinfo else until.replace(tzinfo=_understood(zone_of, tz))).astimezone(UTC)

    def moment(now: datetime) -> datetime:
        if (at - now).total_seconds() > LONGEST_S:
            raise ConfigurationError(f"until is {until}; give a moment within a century from now")
        return at

    return moment


def _next_of(cron: Cron) -> Moment:
    def moment(now: datetime) -> datetime:
        found = cron.after(now)
        if found is None:
            raise ConfigurationError("the cron expression means no moment within fifty years from now")
        return found

    return moment
