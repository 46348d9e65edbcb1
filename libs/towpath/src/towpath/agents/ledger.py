"""What a budget's ledger says: what is spent, what is reserved for calls under way, and what may still be."""

from typing import Annotated

from pydantic import Field

from towpath_schemas.shape import Shape

_Count = Annotated[int, Field(ge=0)]
_Money = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_KINDS = ("tokens", "cost", "model_calls", "tool_calls")
_SLACK = 1e-9
"""So little money is an error of floating point."""


class Amounts(Shape):
    """So much of everything that is counted; `cost` is in the currency of the prices."""

    tokens: _Count = 0
    cost: _Money = 0.0
    model_calls: _Count = 0
    tool_calls: _Count = 0

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(**{kind: getattr(self, kind) + getattr(other, kind) for kind in _KINDS})


class Limits(Shape):
    """How much of each may be spent; None for any amount.

    Attributes:
        seconds: How long after the first call a further one may begin.
    """

    tokens: _Count | None = None
    cost: _Money | None = None
    model_calls: _Count | None = None
    tool_calls: _Count | None = None
    seconds: _Money | None = None


class Reserved(Shape):
    """What was reserved for a call.

    Attributes:
        granted: So much; of what has no limit as much as was wanted.
        lacking: The limit that stands in the way; None where there is none, and so something was granted.
    """

    granted: Amounts = Amounts()
    lacking: str | None = None


class Ledger(Shape):
    """A budget's ledger; each change makes another.

    Attributes:
        reserved: For each call under way, what it may take at most.
        began: When the first call was let through, in seconds since 1970.
    """

    spent: Amounts = Amounts()
    reserved: dict[str, Amounts] = {}
    began: float | None = None

    @property
    def taken(self) -> Amounts:
        """What nobody else can have: what is spent, and what may be."""
        return sum(self.reserved.values(), self.spent)

    def reserve(
        self, limits: Limits, call: str, least: Amounts, most: Amounts, now: float
    ) -> "tuple[Ledger, Reserved]":
        """Reserve what a call may take: up to `most`, and if there is not even `least`, nothing.

        A call that has a reservation keeps it.
        """
        if call in self.reserved:
            return self, Reserved(granted=self.reserved[call])
        left = self._left(limits)
        if (lacking := self._lacking(limits, least, left, now)) is not None:
            return self, Reserved(lacking=lacking)
        granted = Amounts(
            **{kind: min(getattr(most, kind), left.get(kind, getattr(most, kind))) for kind in _KINDS}
        )
        reserved = {**self.reserved, call: granted}
        began = now if self.began is None else self.began
        return self.model_copy(update={"reserved": reserved, "began": began}), Reserved(granted=granted)

    def settle(self, call: str, took: Amounts) -> "Ledger":
        """Give back what a call has not taken of its reservation; a call that has none took nothing."""
        if call not in self.reserved:
            return self
        reserved = {name: amounts for name, amounts in self.reserved.items() if name != call}
        return self.model_copy(update={"reserved": reserved, "spent": self.spent + took})

    def _left(self, limits: Limits) -> dict[str, float]:
        taken = self.taken
        limited = {kind: limit for kind in _KINDS if (limit := getattr(limits, kind)) is not None}
        return {kind: max(0, limit - getattr(taken, kind)) for kind, limit in limited.items()}

    def _lacking(self, limits: Limits, least: Amounts, left: dict[str, float], now: float) -> str | None:
        if limits.seconds is not None and self.began is not None and now - self.began >= limits.seconds:
            return "seconds"
        return next((kind for kind in left if getattr(least, kind) > left[kind] + _SLACK), None)
