"""What works on memories works with."""

from dataclasses import dataclass

from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.memories.following import MemoryFollower
from towpath_entity_store.memories.index import MemoryIndex
from towpath_entity_store.memories.reaching import Reaching
from towpath_entity_store.settings import Settings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What answers questions about memories, and what erases them, works with."""

    js: JetStream
    settings: Settings
    projection: Projection
    index: MemoryIndex
    follower: MemoryFollower
    reaching: Reaching
