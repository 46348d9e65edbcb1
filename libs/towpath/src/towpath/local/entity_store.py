"""The entities of this process: their committed state, and who may write it next."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

EntityPlace = tuple[str, str]
"""Type and key of an entity."""


@dataclass(slots=True)
class _Turnstile:
    """Lets writers of one entity in one by one, in order of arrival; `users` hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class EntityStore:
    """The committed state of entities, in memory."""

    def __init__(self) -> None:
        self._committed: dict[EntityPlace, dict[str, Any]] = {}
        self._turnstiles: dict[EntityPlace, _Turnstile] = {}

    def committed(self, place: EntityPlace) -> Mapping[str, Any]:
        """Return the state as the last write left it; later writes do not change what is returned."""
        return self._committed.get(place, {})

    def commit(self, place: EntityPlace, values: Mapping[str, Any], deleted: frozenset[str]) -> None:
        """Apply the changes of one write, all at once."""
        kept = {name: value for name, value in self.committed(place).items() if name not in deleted}
        self._committed[place] = {**kept, **values}

    @asynccontextmanager
    async def writing(self, place: EntityPlace) -> AsyncGenerator[None]:
        """Be the only writer of an entity; whoever asked first is next."""
        turnstile = self._turnstiles.setdefault(place, _Turnstile())
        turnstile.users += 1
        try:
            async with turnstile.lock:
                yield
        finally:
            turnstile.users -= 1
            if not turnstile.users:
                del self._turnstiles[place]


ENTITIES = EntityStore()
"""The entities that all runs in this process share, unless they are given a store of their own."""
