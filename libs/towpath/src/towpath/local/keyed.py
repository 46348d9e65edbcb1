"""Acts that are named by a key: the same key names the same act, which happens once."""

from collections.abc import Generator
from contextlib import contextmanager

from towpath.errors import DuplicateStepError
from towpath.retry import Attempted


class KeyedActs:
    """How the acts of one context that have a key ended, and which are running."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._ended: dict[str, Attempted] = {}

    def ended(self, place: str) -> Attempted | None:
        """Tell how the act at `place` ended, if it has a key and did."""
        return self._ended.get(place)

    def remember(self, place: str, key: str | None, ended: Attempted) -> None:
        """Keep how an act ended, if it has a key."""
        if key is not None:
            self._ended[place] = ended

    @contextmanager
    def in_flight(self, name: str, place: str) -> Generator[None]:
        """Refuse two steps of one key at the same time.

        Raises:
            DuplicateStepError: If one is running.
        """
        if place in self._running:
            raise DuplicateStepError(name)
        self._running.add(place)
        try:
            yield
        finally:
            self._running.discard(place)
