"""The line before a gate: higher priority first, and in the order in which they came within a priority."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator

from towpath_schemas.gates import InLine

_Place = tuple[int, int, str]


class Line:
    """Who waits, the next one first."""

    def __init__(self, waiting: Iterable[InLine] = ()) -> None:
        self._waiting = {one.run_id: one for one in waiting}
        self._places = sorted(map(_place, self._waiting.values()))

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, run_id: object) -> bool:
        return run_id in self._waiting

    def __iter__(self) -> Iterator[InLine]:
        return (self._waiting[run_id] for _, _, run_id in self._places)

    @property
    def first(self) -> InLine | None:
        """Who is next; None where nobody waits."""
        return self._waiting[self._places[0][2]] if self._places else None

    def add(self, one: InLine) -> None:
        """Put a run, which is not in it, at its place."""
        self._waiting[one.run_id] = one
        insort(self._places, _place(one))

    def remove(self, run_id: str) -> InLine | None:
        """Take a run out, wherever it stands; None where it does not."""
        one = self._waiting.pop(run_id, None)
        if one is not None:
            del self._places[bisect_left(self._places, _place(one))]
        return one


def _place(one: InLine) -> _Place:
    return -one.priority, one.number, one.run_id
