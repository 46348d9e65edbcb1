"""The entities that are hot: kept in memory while they are used; idle ones are dropped, the least recently used first."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from towpath_entity_store.entities.actor import Actor, Surroundings
from towpath_entity_store.entities.entity import Entity
from towpath_schemas.entities import EntityName


class Actors:
    """At most one actor for each entity in this process."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._hot: OrderedDict[EntityName, Actor] = OrderedDict()
        self._sizes: dict[EntityName, int] = {}
        self._bytes = 0

    @contextmanager
    def using(self, name: EntityName) -> Generator[Actor]:
        """Give out the actor of an entity; it is not dropped before the end of the block."""
        actor = self._hot.get(name)
        if actor is None or actor.lost:
            actor = self._hot[name] = Actor(name, self._around, self)
        self._hot.move_to_end(name)
        actor.users += 1
        try:
            yield actor
        finally:
            actor.users -= 1
            actor.used_at = asyncio.get_running_loop().time()
            self._weigh(name)
            self._drop_cold()

    @asynccontextmanager
    async def lent(self, name: EntityName) -> AsyncGenerator[Entity]:
        """Borrow what is committed of an entity; see `Actor.lent`."""
        with self.using(name) as actor:
            async with actor.lent() as entity:
                yield entity

    def lose(self, names: list[EntityName]) -> None:
        """Have these entities read anew before they are used again."""
        for name in names:
            if name in self._hot:
                self._hot[name].lost = True

    def committed(self, name: EntityName) -> Entity | None:
        """Tell what is committed of an entity as far as its actor, if there is one, knows."""
        actor = self._hot.get(name)
        return None if actor is None or actor.lost else actor.entity

    def forget(self, partition: int) -> None:
        """Drop the entities of a partition that is somebody else's now."""
        for name in [name for name in self._hot if name.partition == partition]:
            if self._hot[name].users == 0:
                self._drop(name)

    async def release_idle(self) -> None:
        """Drop, for ever, the entities that were not used for `hot_idle_s` seconds."""
        idle_s = self._around.settings.hot_idle_s
        while True:
            await asyncio.sleep(idle_s / 4)
            before = asyncio.get_running_loop().time() - idle_s
            for name in [
                name for name, actor in self._hot.items() if not actor.users and actor.used_at < before
            ]:
                self._drop(name)

    def _drop_cold(self) -> None:
        settings = self._around.settings
        while len(self._hot) > settings.hot_entities or self._bytes > settings.hot_bytes:
            name, coldest = next(iter(self._hot.items()))
            if coldest.users or len(self._hot) == 1:
                return  # in use for longer than anything else: more memory, for a while
            self._drop(name)

    def _drop(self, name: EntityName) -> None:
        del self._hot[name]
        self._bytes -= self._sizes.pop(name, 0)

    def _weigh(self, name: EntityName) -> None:
        """Count how much memory the state of an entity takes, at most."""
        if name in self._hot:
            entity = self._hot[name].entity
            size = 0 if entity is None else entity.state_at_most
            self._bytes += size - self._sizes.get(name, 0)
            self._sizes[name] = size
