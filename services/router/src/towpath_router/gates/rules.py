"""What each kind of limit allows: the moment from which on the first in line may pass. Pure functions."""

from collections.abc import Sequence

from towpath_schemas.gates import InLine, Ruling
from towpath_schemas.limits import ConcurrencyLimit, DebounceLimit, Limit, RateLimit, SingletonLimit

ALWAYS = float("-inf")


def opens_at(ruling: Ruling, inside: int, passed: Sequence[float], first: InLine) -> float | None:
    """Tell from which moment on `first` may pass; None where that depends on somebody who is inside.

    Args:
        ruling: The rule.
        inside: How many are inside.
        passed: Of a rate, when those passed that it remembers, in that order.
        first: Who is next.
    """
    if ruling.lifted:
        return ALWAYS
    match ruling.limit:
        case ConcurrencyLimit(limit=limit):
            return ALWAYS if inside < limit else None
        case SingletonLimit():
            return None if inside else ALWAYS
        case RateLimit() as rate:
            return max(_full_until(passed, *window) for window in _windows(rate))
        case DebounceLimit(wait_s=wait_s, at_most_s=at_most_s):
            quiet_at = first.at + wait_s
            return quiet_at if at_most_s is None else min(quiet_at, first.since + at_most_s)


def remembered_s(limit: Limit) -> float | None:
    """Tell for how long one that passed is inside; None where until it leaves."""
    match limit:
        case RateLimit(per_s=per_s):
            return per_s
        case DebounceLimit():
            return 0.0
        case ConcurrencyLimit() | SingletonLimit():
            return None


def _windows(rate: RateLimit) -> list[tuple[int, float]]:
    """List the spans of time that a rate looks at, and how many may pass in each; a burst is the rate for less time."""
    whole = (rate.limit, rate.per_s)
    if rate.burst is None or rate.burst >= rate.limit:
        return [whole]
    return [whole, (rate.burst, rate.per_s * rate.burst / rate.limit)]


def _full_until(passed: Sequence[float], most: int, span_s: float) -> float:
    """Tell when the one that passed `most` before the next one is `span_s` ago."""
    return passed[-most] + span_s if len(passed) >= most else ALWAYS
