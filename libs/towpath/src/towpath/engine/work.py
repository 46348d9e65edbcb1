"""Knows which pieces of a run's code are at work, and which of them only wait for an act of their own."""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager

from towpath.engine.tasks import in_work


class Work:
    """The pieces of one run's code that are at work.

    Args:
        changed: Told whenever one begins or ends.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._places: list[str] = []
        self._changed = changed

    def __bool__(self) -> bool:
        return bool(self._places)

    @property
    def only_steps(self) -> bool:
        """Whether all of them are steps."""
        return all(self._places)

    def at(self, place: str = "") -> "_Piece":
        """Make the block in which code is at work, in the step at `place` if in one."""
        return _Piece(self, place)

    @contextmanager
    def interrupted(self, place: str) -> Generator[None]:
        """Count the piece at a place less until the end of the block: it does not go on by itself."""
        self.end(place)
        try:
            yield
        finally:
            self.begin(place)

    def begin(self, place: str) -> None:
        """Count one more piece."""
        self._places.append(place)
        self._changed()

    def end(self, place: str) -> None:
        """Count one less."""
        self._places.remove(place)
        self._changed()

    def beside(self, waiting_for: Collection[str]) -> int:
        """Count the pieces, without steps that wait for one of these acts inside of them."""
        return sum(not _is_around(place, waiting_for) for place in self._places)


def _is_around(place: str, keys: Collection[str]) -> bool:
    return bool(place) and any(key.startswith(f"{place}/") for key in keys)


class _Piece:
    """The block in which a piece of code is at work; a class, since every step enters one."""

    __slots__ = ("_outer", "_place", "_work")

    def __init__(self, work: Work, place: str) -> None:
        self._work, self._place = work, place

    def __enter__(self) -> None:
        self._outer = in_work.set(True)
        self._work.begin(self._place)

    def __exit__(self, *_error: object) -> None:
        in_work.reset(self._outer)
        self._work.end(self._place)
