"""Looks for an order of a history's operations that a model explains: the search of Wing and Gong, with Lowe's memory.

The operations that may come next are those that were called before any other had to be over. One that the model allows
is taken, until all are, or none is allowed; then the last one is given back and another is tried. What was taken, and
the state that this made, is remembered: whoever comes to the same by another way need not go on.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from towpath_testkit.linearizability.history import Operation, by_key
from towpath_testkit.linearizability.models import Model

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Fault:
    """Operations of one thing that cannot have happened one after the other.

    Attributes:
        taken: The longest beginning that can.
        refused: The operations of which none can come next.
        state: What the thing was before them.
    """

    taken: tuple[Operation, ...]
    refused: tuple[Operation, ...]
    state: Hashable

    def __str__(self) -> str:
        before = "\n  ".join(map(str, self.taken[-_SHOWN:]))
        return (
            f"after {len(self.taken)} operations, the last of them\n  {before}\nthe state is {self.state!r}, "
            "and none of these can come next:\n  " + "\n  ".join(map(str, self.refused))
        )


def fault_in(operations: Iterable[Operation], model: Model[Any]) -> Fault | None:
    """Look for a fault, in one thing after the other; None where every operation is explained."""
    for history in by_key(operations).values():
        if (fault := _Search(history, model).fault()) is not None:
            return fault
    return None


class _Timeline:
    """The operations that were not taken yet: calls and returns in the order of time, in a list that gives back.

    A place is a number: calls of operation `n` are at `n`, its return at `count + n`, the end is before all of them.
    """

    END = -1

    def __init__(self, operations: list[Operation]) -> None:
        self._count = len(operations)
        moments = [(one.called, 0, n) for n, one in enumerate(operations)]
        moments += [(one.returned, 1, self._count + n) for n, one in enumerate(operations)]
        places = [self.END, *(place for _, _, place in sorted(moments)), self.END]
        self._next = dict(pairwise(places))
        self._before = {place: before for before, place in pairwise(places)}

    @property
    def first(self) -> int:
        return self._next[self.END]

    def behind(self, place: int) -> int:
        return self._next[place]

    def is_call(self, place: int) -> bool:
        return 0 <= place < self._count

    def take(self, call: int) -> None:
        for place in (call, self._count + call):
            before, behind = self._before[place], self._next[place]
            self._next[before], self._before[behind] = behind, before

    def give_back(self, call: int) -> None:
        for place in (self._count + call, call):
            self._next[self._before[place]] = self._before[self._next[place]] = place


@dataclass(slots=True)
class _Moment:
    """A point of the search: what was made of the operations taken so far, and which may come next."""

    state: Any
    taken: int = 0
    candidates: list[int] = field(default_factory=list[int])


class _Search:
    def __init__(self, history: list[Operation], model: Model[Any]) -> None:
        # Those that are open come last wherever there is a choice: most of them explain nothing, and may wait.
        self._history = [
            *(one for one in history if not one.is_open),
            *(one for one in history if one.is_open),
        ]
        self._closed = sum(not one.is_open for one in history)
        self._all_closed = (1 << self._closed) - 1
        self._model = model
        self._timeline = _Timeline(self._history)
        self._seen: dict[tuple[int, Hashable], list[int]] = {}
        self._order: list[int] = []
        self._longest: tuple[int, Fault] | None = None

    def fault(self) -> Fault | None:
        path = [_Moment(self._model.initial, 0, self._candidates())]
        while path:
            here = path[-1]
            if here.taken & self._all_closed == self._all_closed:
                return None
            there = self._step(here)
            if there is not None:
                path.append(there)
                continue
            self._remember_longest(here)
            path.pop()
            if self._order:
                self._timeline.give_back(self._order.pop())
        return self._longest[1] if self._longest else None

    def _step(self, here: _Moment) -> _Moment | None:
        """Take the next candidate that leads somewhere new; None if there is none left."""
        while here.candidates:
            call = here.candidates.pop()
            state = self._model.after(here.state, self._history[call])
            taken = here.taken | 1 << call
            if state is not None and self._is_new(taken, state):
                self._timeline.take(call)
                self._order.append(call)
                return _Moment(state, taken, self._candidates())
        return None

    def _is_new(self, taken: int, state: Hashable) -> bool:
        """Tell whether nothing was seen that leads to all that this can: the same, with fewer open ones used up."""
        opened = taken >> self._closed
        seen = self._seen.setdefault((taken & self._all_closed, state), [])
        if any(fewer & opened == fewer for fewer in seen):
            return False
        seen.append(opened)
        return True

    def _candidates(self) -> list[int]:
        """List what may come next, the first to be tried last."""
        found: list[int] = []
        place = self._timeline.first
        while self._timeline.is_call(place):
            found.append(place)
            place = self._timeline.behind(place)
        return sorted(found, key=lambda call: self._history[call].returned, reverse=True)

    def _remember_longest(self, here: _Moment) -> None:
        if self._longest is None or len(self._order) > self._longest[0]:
            taken = tuple(self._history[call] for call in self._order)
            refused = tuple(self._history[call] for call in reversed(self._candidates()))
            self._longest = (len(self._order), Fault(taken, refused, here.state))
