"""The entities of this process: their committed state, and who may write it next."""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from towpath.local.memories import Memories
from towpath.local.waits import Waits
from towpath_schemas.entities import NEVER, Changes, EntityName
from towpath_schemas.memory import ITEM, MEMORY_TYPE, ErasureAsked, ErasureDone, MemoriesFound, MemoryAsked


@dataclass(slots=True)
class _Turnstile:
    """Lets writers of one entity in one by one, in order of arrival; `users` hold it or wait for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class EntityStore:
    """The committed state of entities, in memory.

    Attributes:
        memories: What of it can be searched.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._committed: dict[EntityName, dict[str, Any]] = {}
        self._expires_at: dict[EntityName, float] = {}
        self._turnstiles: dict[EntityName, _Turnstile] = {}
        self._waits = Waits()
        self.memories = Memories()

    def committed(self, name: EntityName) -> Mapping[str, Any]:
        """Return the state as the last write left it; later writes do not change what is returned."""
        if self._expires_at.get(name, math.inf) <= self._clock():
            self._committed.pop(name, None)
            del self._expires_at[name]
        return self._committed.get(name, {})

    def commit(self, name: EntityName, changes: Changes) -> None:
        """Apply the changes of one write, all at once."""
        values, deleted = changes.values, changes.deleted
        kept = {name: value for name, value in self.committed(name).items() if name not in deleted}
        self._committed[name] = {**kept, **values}
        if changes.expires_in_s == NEVER:
            self._expires_at.pop(name, None)
        elif changes.expires_in_s is not None:
            self._expires_at[name] = self._clock() + changes.expires_in_s
        if name.entity_type == MEMORY_TYPE and (ITEM in values or ITEM in deleted):
            self.memories.learn(name, values.get(ITEM))

    async def ask_memory(self, asked: MemoryAsked) -> MemoriesFound:
        """Answer a question about memories; see `MemoryIndex.ask_memory`."""
        return self.memories.answer(asked)

    async def erase_memory(self, asked: ErasureAsked) -> ErasureDone:
        """Drop memories and all they ever were; see `MemoryIndex.erase_memory`."""
        names, done = self.memories.erase(asked)
        for name in names:
            self._committed.pop(name, None)
        return done

    @asynccontextmanager
    async def writing(
        self, names: Iterable[EntityName], callers: Iterable[EntityName] = ()
    ) -> AsyncGenerator[None]:
        """Be the only writer of entities; whoever asked first is next.

        Args:
            names: Taken in one order, whatever the order here, so that transactions never wait in a circle.
            callers: Entities that are held by those who wait for this writer.

        Raises:
            EntityReentrancyError: If it would wait in a circle.
        """
        held = [*callers]
        async with AsyncExitStack() as stack:
            for name in sorted(set(names)):
                await stack.enter_async_context(self._passed(name, held))
                held.append(name)
            yield

    @asynccontextmanager
    async def _passed(self, name: EntityName, held: list[EntityName]) -> AsyncGenerator[None]:
        turnstile = self._turnstiles.setdefault(name, _Turnstile())
        turnstile.users += 1
        try:
            with self._waits.waiting(held, name):
                await turnstile.lock.acquire()
            try:
                yield
            finally:
                turnstile.lock.release()
        finally:
            turnstile.users -= 1
            if not turnstile.users:
                del self._turnstiles[name]


ENTITIES = EntityStore()
"""The entities that all runs in this process share, unless they are given a store of their own."""
