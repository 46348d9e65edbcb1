"""What is in view of a session: the numbers of its messages that `history` shows, in order."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain

Span = tuple[int, int]
"""Numbers from the first to before the second."""


@dataclass(frozen=True, slots=True)
class View:
    """Numbers in order, as spans, so that thousands of messages in a row take no room."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, numbers: Iterable[int]) -> "View":
        """Write numbers, in the order given.

        >>> View.of([7, 2, 3, 4]).spans
        ((7, 8), (2, 5))
        """
        spans: list[Span] = []
        for number in numbers:
            if spans and spans[-1][1] == number:
                spans[-1] = (spans[-1][0], number + 1)
            else:
                spans.append((number, number + 1))
        return cls(tuple(spans))

    @property
    def numbers(self) -> list[int]:
        """All of them."""
        return [*chain.from_iterable(range(*span) for span in self.spans)]

    @property
    def length(self) -> int:
        """How many there are."""
        return sum(end - start for start, end in self.spans)

    def newest(self, count: int | None) -> list[int]:
        """Return the last `count` of them; None for all.

        >>> View(((7, 8), (2, 5))).newest(2)
        [3, 4]
        """
        return self.numbers if count is None else self.numbers[max(0, self.length - count) :]

    def with_new(self, first: int, count: int) -> "View":
        """Add `count` numbers at the end, from `first` on.

        >>> View(((0, 3),)).with_new(3, 2).spans, View(((0, 3),)).with_new(4, 1).spans
        (((0, 5),), ((0, 3), (4, 5)))
        """
        if self.spans and self.spans[-1][1] == first:
            return View((*self.spans[:-1], (self.spans[-1][0], first + count)))
        return View((*self.spans, (first, first + count)))

    def without(self, dropped: Collection[int], *, put: int | None = None) -> "View":
        """Leave numbers out, and put one in the place of the first of them.

        >>> View(((0, 5),)).without({1, 2}, put=9).spans
        ((0, 1), (9, 10), (3, 5))
        """
        kept: list[int] = []
        for number in self.numbers:
            if number not in dropped:
                kept.append(number)
            elif put is not None:
                kept.append(put)
                put = None
        return View.of(kept)
