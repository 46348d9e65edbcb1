"""Limits that a component declares for its runs: how many work at once, how often one begins, which ones are one.

A limit with a `key` holds for each value of that key in the input by itself. A gate is one limit at work: of one
tenant, one component or pool, one value of the key.
"""

from typing import Annotated, Literal

from pydantic import Field

from towpath_schemas.shape import Shape

LONGEST_S = 366 * 86_400
MOST_INSIDE = 1_000_000
MOST_PER_WINDOW = 10_000

KeyPath = Annotated[str, Field(min_length=1, max_length=256)]
PoolName = Annotated[str, Field(min_length=1, max_length=256)]
Span = Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)]


class _Limit(Shape):
    """What all limits have.

    Attributes:
        key: Dotted path into the input; what is not there counts as null.
    """

    key: KeyPath | None = None


class ConcurrencyLimit(_Limit):
    """At most `limit` runs work at the same time.

    Attributes:
        pool: Shared with all components of the tenant that name the same pool.
    """

    kind: Literal["concurrency"] = "concurrency"
    limit: Annotated[int, Field(ge=1, le=MOST_INSIDE)]
    pool: PoolName | None = None


class RateLimit(_Limit):
    """At most `limit` runs are let on in any `per_s` seconds.

    Attributes:
        burst: So many at once; the others evenly over the time. As many as `limit` if None.
        pool: Shared with all components of the tenant that name the same pool.
    """

    kind: Literal["rate"] = "rate"
    limit: Annotated[int, Field(ge=1, le=MOST_PER_WINDOW)]
    per_s: Span
    burst: Annotated[int, Field(ge=1, le=MOST_PER_WINDOW)] | None = None
    pool: PoolName | None = None


class DebounceLimit(_Limit):
    """Of runs that are asked for within `wait_s` seconds of one another only the last begins; the others become it.

    Attributes:
        at_most_s: The first of them waits no longer than this.
    """

    kind: Literal["debounce"] = "debounce"
    wait_s: Span
    at_most_s: Span | None = None


class SingletonLimit(_Limit):
    """One run at a time: while it works, a newer one becomes it (`skip`), or ends it and takes over (`replace`)."""

    kind: Literal["singleton"] = "singleton"
    mode: Literal["skip", "replace"] = "skip"


Limit = Annotated[
    ConcurrencyLimit | RateLimit | DebounceLimit | SingletonLimit,
    Field(discriminator="kind"),
]


def pool_of(limit: Limit) -> str | None:
    """Tell the pool that a limit belongs to, if it can have one and does."""
    return limit.pool if isinstance(limit, ConcurrencyLimit | RateLimit) else None


def same_concern(one: Limit, other: Limit) -> bool:
    """Tell whether two limits are about the same thing, and differ in no more than how much they allow."""
    return (one.kind, one.key, pool_of(one)) == (other.kind, other.key, pool_of(other))


class GatePassed(Shape):
    """A gate that a run passes before it begins: it names the limit as it was when the run was made."""

    gate_id: str
    limit: Limit

    @property
    def is_left(self) -> bool:
        """Whether a run holds a place in it until it ends."""
        return self.limit.kind in {"concurrency", "singleton"}

    @property
    def merges(self) -> bool:
        """Whether one run may stand for several."""
        return self.limit.kind in {"debounce", "singleton"}
