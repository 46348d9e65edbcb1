"""The entities that are hot: kept in memory while they are used, the least recently used dropped first."""

from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager

from towpath_entity_store.entities.actor import Actor, Surroundings
from towpath_entity_store.entities.entity import Entity
from towpath_entity_store.entities.names import EntityName


class Actors:
    """At most one actor for each entity in this process."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._hot: OrderedDict[EntityName, Actor] = OrderedDict()

    @contextmanager
    def using(self, name: EntityName) -> Generator[Actor]:
        """Give out the actor of an entity; it is not dropped before the end of the block."""
        actor = self._hot.get(name)
        if actor is None or actor.lost:
            actor = self._hot[name] = Actor(name, self._around)
        self._hot.move_to_end(name)
        actor.users += 1
        try:
            yield actor
        finally:
            actor.users -= 1
            self._drop_cold()

    def committed(self, name: EntityName) -> Entity | None:
        """Tell what is committed of an entity as far as its actor, if there is one, knows."""
        actor = self._hot.get(name)
        return None if actor is None or actor.lost else actor.entity

    def forget(self, partition: int) -> None:
        """Drop the entities of a partition that is somebody else's now."""
        for name in [name for name in self._hot if name.partition == partition]:
            if self._hot[name].users == 0:
                del self._hot[name]

    def _drop_cold(self) -> None:
        while len(self._hot) > self._around.settings.hot_entities:
            name, coldest = next(iter(self._hot.items()))
            if coldest.users:
                return  # in use for longer than anything else: more memory, for a while
            del self._hot[name]
