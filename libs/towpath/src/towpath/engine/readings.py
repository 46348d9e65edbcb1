"""The settings that a run has read: what it has seen of one first, it sees until its end."""

from collections.abc import Callable
from typing import Any

from towpath.values import to_json_value

Draw = Callable[[Callable[[], Any]], Any]
"""Returns what the journal has in its place, or else what the function it is given reads, which it records."""


class Readings:
    """What one run has read, by name and by the place in its code where it did.

    Each place has a record of its own, so that code which is not repeated on replay, such as a step that has ended,
    does not hide what was read there from code that is.
    """

    def __init__(self) -> None:
        self._first: dict[str, Any] = {}
        self._at: dict[str, Any] = {}

    def read(self, name: str, place: str, read: Callable[[], Any], draw: Draw) -> Any:
        """Return the setting `name` as `place` sees it.

        Raises:
            NotSerialisableError: If JSON cannot carry it.
        """
        if place not in self._at:
            known = name in self._first
            value = draw(lambda: self._first[name] if known else to_json_value(read()))
            self._first.setdefault(name, value)
            self._at[place] = value
        return self._at[place]
