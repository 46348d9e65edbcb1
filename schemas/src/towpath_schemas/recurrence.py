"""When something recurs: the moments of a cron expression in a time zone, as a pure function of the moment before.

Where clocks are changed: an expression of certain hours follows the clock on the wall. A time that is left out comes
when the gap is over, and one that comes twice is meant the first time only, so that what is daily comes once on each
day. An expression of every hour follows the time that passes instead: it comes in each hour, also in one that the
clocks repeat.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import dropwhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

__all__ = ["Cron", "cron_of", "zone_of"]

_HOURS = 24
_LONGEST = 256
_MINUTE = timedelta(minutes=1)


class Cron:
    """A cron expression in a time zone; made by `cron_of`."""

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = expression
        self._zone = zone
        self._every_hour = len(_read(expression).hours) == _HOURS

    def after(self, moment: datetime) -> datetime | None:
        """Compute the next moment, later than `moment`, in UTC; None where none comes within fifty years."""
        coming = self._elapsing(moment) if self._every_hour else self._on_the_wall(moment)
        return next(dropwhile(lambda one: one <= moment, coming), None)

    def _elapsing(self, moment: datetime) -> Iterator[datetime]:
        fields = self._expression.split()
        fields[-4] = "*"  # however it was written: it is what has them followed without regard to the clock
        return (one.astimezone(UTC) for one in CronSim(" ".join(fields), moment.astimezone(self._zone)))

    def _on_the_wall(self, moment: datetime) -> Iterator[datetime]:
        shown = moment.astimezone(self._zone).replace(tzinfo=None, fold=0)
        return (self._when_shown(one) for one in CronSim(self._expression, shown))

    def _when_shown(self, wanted: datetime) -> datetime:
        """Tell when clocks show a time first; where they never do, when they show a later one."""
        while True:
            moment = wanted.replace(tzinfo=self._zone).astimezone(UTC)
            if moment.astimezone(self._zone).replace(tzinfo=None) == wanted:
                return moment
            wanted = wanted.replace(second=0) + _MINUTE


@lru_cache(maxsize=1_024)
def cron_of(expression: str, tz: str = "UTC") -> Cron:
    """Read a cron expression and a time zone.

    Raises:
        ValueError: If either cannot be read, or the expression means a moment that never comes.
    """
    cron = Cron(expression, zone_of(tz))
    if cron.after(datetime(2000, 1, 1, tzinfo=UTC)) is None:
        raise ValueError(f"cron {expression!r} means a day that never comes")
    return cron


def zone_of(name: str) -> ZoneInfo:
    """Read the name of a time zone.

    Raises:
        ValueError: If there is none of this name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, TypeError, OSError) as error:
        raise ValueError(f"tz {name!r} is no time zone; give one such as Europe/Amsterdam") from error


def _read(expression: str) -> CronSim:
    if len(expression) > _LONGEST:
        raise ValueError(f"cron has {len(expression):,} characters; the limit is {_LONGEST}")
    try:
        return CronSim(expression, datetime(2000, 1, 1))  # noqa: DTZ001 - the time that a clock on the wall shows
    except CronSimError as error:
        raise ValueError(
            f"cron {expression!r} cannot be read ({error}); give minute, hour, day, month, day of the week"
        ) from error
