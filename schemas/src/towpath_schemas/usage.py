"""What model calls consume."""

from operator import not_

from pydantic import Field

from towpath_schemas.shape import Shape, is_none


class Usage(Shape):
    """What model calls consumed, in tokens and in money.

    Attributes:
        input_tokens: All that was read, whether or not from a cache.
        cache_read_tokens: How many of these the provider had in its cache.
        cache_write_tokens: How many of these it put there.
        cost: In the currency of the prices; None where nobody said what the model, or one of them, costs.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = Field(default=0, exclude_if=not_)
    cache_write_tokens: int = Field(default=0, exclude_if=not_)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False, exclude_if=is_none)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cost=_sum(self, other),
        )


def _sum(one: Usage, other: Usage) -> float | None:
    """Add up what both cost; who consumed nothing at all cost nothing, and else an unknown cost makes it unknown."""
    costs = [usage.cost for usage in (one, other) if usage != _NOTHING]
    known = [cost for cost in costs if cost is not None]
    return sum(known) if known and len(known) == len(costs) else None


_NOTHING = Usage()
