"""Who waits for whom: a wait that would close a circle of entities would never end, and is refused."""

from collections.abc import Generator, Iterable
from contextlib import contextmanager

from towpath.errors import EntityReentrancyError
from towpath_schemas.entities import EntityName
from towpath_schemas.failure import Failure

IN_ONE_ORDER = (
    "have methods call entities in one order everywhere, or let the caller make both changes in one ctx.transaction(), "
    "or one after the other"
)
"""What keeps methods from waiting for each other."""


class Waits:
    """Which entities, held by a write method, wait for which others."""

    def __init__(self) -> None:
        self._waits: list[tuple[EntityName, EntityName]] = []

    @contextmanager
    def waiting(self, holders: Iterable[EntityName], name: EntityName) -> Generator[None]:
        """Have `holders` wait for `name` until the end of the block.

        Raises:
            EntityReentrancyError: If `name` waits for one of them already, itself or through others.
        """
        begun = [(holder, name) for holder in holders]
        for holder, _ in begun:
            if path := self._path(name, holder):
                raise _circle((holder, *path))
        self._waits += begun
        try:
            yield
        finally:
            for wait in begun:
                self._waits.remove(wait)

    def _path(self, start: EntityName, end: EntityName) -> tuple[EntityName, ...]:
        """Find how `start` waits for `end`; empty where it does not."""
        paths, seen = [(start,)], {start}
        for path in paths:
            if path[-1] == end:
                return path
            found = {awaited for holder, awaited in self._waits if holder == path[-1]} - seen
            seen |= found
            paths += [(*path, one) for one in sorted(found)]
        return ()


def chain(names: Iterable[EntityName]) -> str:
    """Write who waits for whom for people."""
    return " -> ".join(f"{name.entity_type}/{name.key}" for name in names)


def _circle(names: tuple[EntityName, ...]) -> EntityReentrancyError:
    message = (
        f"{chain(names[:1])} and {chain(names[1:2])} would wait for each other for ever ({chain(names)}), since each is "
        f"called while it waits; {IN_ONE_ORDER}"
    )
    return EntityReentrancyError(
        Failure(code="reentrancy", message=message, error_type=EntityReentrancyError.__name__)
    )
