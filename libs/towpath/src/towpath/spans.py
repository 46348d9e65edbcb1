"""Spans of time as programs give them: how long something lasts, or how long is waited for it at the most."""

import math
from datetime import timedelta
from numbers import Real
from reprlib import Repr

from towpath.errors import ConfigurationError

SECOND_S, MILLISECOND_S = 1.0, 0.001
LONGEST_S = 100 * 365.25 * 86_400.0
"""Seconds in a century: no wait may last longer, because clocks that count nanoseconds end in the year 2262."""

_SHORT = Repr()
_UNITS = {SECOND_S: "seconds", MILLISECOND_S: "milliseconds"}


def lasting_s(name: str, span: object, unit_s: float = SECOND_S) -> float:
    """Tell how many seconds something lasts.

    Args:
        name: What the program calls the span.
        span: A number of units, or a timedelta.
        unit_s: Seconds in a unit.

    Raises:
        ConfigurationError: If it is no span of time, negative, or longer than a century.
    """
    return _checked(_seconds_in(name, span, unit_s), name, span, unit_s)


def at_most_s(name: str, span: object, unit_s: float = SECOND_S) -> float | None:
    """Tell for how many seconds something is waited for; None, or infinity, is for ever, and below 0 is not at all.

    Raises:
        ConfigurationError: If it is no span of time, or longer than a century and not for ever.
    """
    seconds = math.inf if span is None else _seconds_in(name, span, unit_s)
    if seconds == math.inf:
        return None
    return 0.0 if seconds < 0 else _checked(seconds, name, span, unit_s)


def _seconds_in(name: str, span: object, unit_s: float) -> float:
    if isinstance(span, timedelta):
        return span.total_seconds()
    if isinstance(span, bool) or not isinstance(span, Real):
        raise _refused(name, span, unit_s)
    try:
        return float(span) * unit_s
    except OverflowError:
        raise _refused(name, span, unit_s) from None


def _checked(seconds: float, name: str, span: object, unit_s: float) -> float:
    if not 0 <= seconds <= LONGEST_S:
        raise _refused(name, span, unit_s)
    return seconds


def _refused(name: str, span: object, unit_s: float) -> ConfigurationError:
    return ConfigurationError(
        f"{name} is {_SHORT.repr(span)}; give a number of {_UNITS[unit_s]}, 0 or more and no more than a century, or a "
        "timedelta"
    )
