"""When a message schedule fires: `@at`, `@every`, cron with seconds."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from towpath_testkit.jetstream_model.clock import SECOND
from towpath_testkit.jetstream_model.messages import Headers, read_time, timestamp
from towpath_testkit.jetstream_model.refusals import refused

_NAMED = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND}
_BOUNDS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_MONTHS = {
    name: place
    for place, name in enumerate(
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1
    )
}
_DAYS = {name: place for place, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_NAMES: tuple[dict[str, int], ...] = ({}, {}, {}, {}, _MONTHS, _DAYS)
_YEARS = 5


class Next(NamedTuple):
    """When a schedule fires, and whether it does so again afterwards."""

    at_ns: int
    repeats: bool
    zone: tzinfo = UTC

    def __str__(self) -> str:
        """Write when, in its time zone, as Go does."""
        if self.zone is UTC:
            return timestamp(self.at_ns)
        return datetime.fromtimestamp(self.at_ns // SECOND, self.zone).isoformat().replace("+00:00", "Z")


def next_firing(headers: Headers, *, after_ns: int, now_ns: int) -> Next | None:
    """Tell when a message's schedule fires after a time; None if the message is no schedule.

    Raises:
        RefusedError: If the schedule cannot be read.
    """
    zone = _zone(headers)
    pattern = headers.get("Nats-Schedule")
    if not pattern:
        return None
    kind, _, rest = pattern.partition(" ")
    if kind in {"@at", "@every"}:
        if zone is not None:
            raise refused(10189)
        return _at(rest) if kind == "@at" else _every(rest, after_ns, now_ns)
    zone = zone or UTC
    cron = _Cron(_NAMED.get(pattern, pattern), zone)
    at_ns = cron.next(after_ns)
    return Next(at_ns if at_ns >= now_ns else cron.next(_rounded(now_ns)), repeats=True, zone=zone)


def duration_ns(text: str) -> int | None:
    """Read a duration as Go writes it, such as `1m30s`; None if it is none."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(int(float(number) * _UNITS_NS[unit]) for number, unit in parts)


def _zone(headers: Headers) -> tzinfo | None:
    name = headers.values.get("Nats-Schedule-Time-Zone")
    if name is None:
        return None
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise refused(10223) from error


def _at(rest: str) -> Next:
    at_ns = read_time(rest)
    if at_ns is None:
        raise refused(10189)
    return Next(at_ns, repeats=False)


def _every(rest: str, after_ns: int, now_ns: int) -> Next:
    interval = duration_ns(rest)
    if interval is None or interval < SECOND:
        raise refused(10189)
    at_ns = _rounded(after_ns) + interval
    return Next(at_ns if at_ns >= now_ns else _rounded(now_ns) + interval, repeats=True)


def _rounded(at_ns: int) -> int:
    return (at_ns + SECOND // 2) // SECOND * SECOND


class _Cron:
    def __init__(self, pattern: str, zone: tzinfo) -> None:
        fields = pattern.split()
        if len(fields) != len(_BOUNDS):
            raise refused(10189)
        self._zone = zone
        self._stars = any(field.startswith(("*", "?")) for field in (fields[3], fields[5]))
        read = [_values(field, place) for place, field in enumerate(fields)]
        self._seconds, self._minutes, self._hours, self._days, self._months, self._weekdays = read

    def next(self, after_ns: int) -> int:
        begin = datetime.fromtimestamp(after_ns // SECOND, self._zone) + timedelta(seconds=1)
        for day in self._matching_days(begin):
            for moment in self._matching_moments(day):
                if moment >= begin:
                    return int(moment.timestamp()) * SECOND
        raise refused(10189)

    def _matching_days(self, begin: datetime) -> Iterator[datetime]:
        day = begin.replace(hour=0, minute=0, second=0, microsecond=0)
        while day.year <= begin.year + _YEARS:
            if day.month in self._months and self._is_day(day):
                yield day
            day += timedelta(days=1)

    def _is_day(self, day: datetime) -> bool:
        matches = day.day in self._days, (day.weekday() + 1) % 7 in self._weekdays
        return all(matches) if self._stars else any(matches)

    def _matching_moments(self, day: datetime) -> Iterator[datetime]:
        return (
            day.replace(hour=hour, minute=minute, second=second)
            for hour in sorted(self._hours)
            for minute in sorted(self._minutes)
            for second in sorted(self._seconds)
        )


def _values(field: str, place: int) -> set[int]:
    return {value for part in field.split(",") if part for value in _range(part, place)}


def _range(part: str, place: int) -> range:
    lowest, highest = _BOUNDS[place]
    span, slash, step = part.partition("/")
    low, dash, high = span.partition("-")
    if low in {"*", "?"}:
        start, end = lowest, highest
    else:
        start = _number(low, place)
        end = _number(high, place) if dash else highest if slash else start
    every = _number(step, place) if slash else 1
    if not (lowest <= start <= end <= highest) or every == 0:
        raise refused(10189)
    return range(start, end + 1, every)


def _number(text: str, place: int) -> int:
    named = _NAMES[place].get(text.lower())
    if named is None and not text.isdigit():
        raise refused(10189)
    return int(text) if named is None else named
