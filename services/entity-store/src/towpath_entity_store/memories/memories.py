"""Puts the memories together: their index, what follows their log, what answers, what erases."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import NamedTuple

from towpath_chassis.jetstream import JetStream
from towpath_entity_store.entities.projection import Projection
from towpath_entity_store.memories.erasure import Erasure
from towpath_entity_store.memories.following import MemoryFollower, following
from towpath_entity_store.memories.index import MemoryIndex
from towpath_entity_store.memories.questions import MemoryQuestions
from towpath_entity_store.memories.reaching import Reaching
from towpath_entity_store.memories.surroundings import Surroundings
from towpath_entity_store.qdrant_door import QdrantDoor, QdrantError, qdrant_door
from towpath_entity_store.rebuilding import rebuilt
from towpath_entity_store.settings import Settings
from towpath_schemas.identity import derived_id
from towpath_schemas.projections import RebuildProgress


class Memories(NamedTuple):
    """What can be asked of memories; `door` says whether Qdrant is there."""

    door: QdrantDoor
    questions: MemoryQuestions
    erasure: Erasure
    follower: MemoryFollower

    def rebuilt(self) -> AsyncGenerator[RebuildProgress]:
        """Build the index anew; see `rebuilding`."""
        return rebuilt(self.follower.rebuild, QdrantError)


@asynccontextmanager
async def memories(
    js: JetStream, settings: Settings, projection: Projection, url: str, *, born: str
) -> AsyncGenerator[Memories]:
    """Keep the index of memories in the Qdrant at `url` until the end of the block, whether Qdrant is there or not.

    Args:
        js: The door to the log.
        settings: How.
        projection: Redis's copies, which an erasure deletes from.
        url: Where Qdrant is.
        born: When the log was made: another log has another index.
    """
    async with qdrant_door(url, within_s=settings.qdrant_within_s) as door:
        index = MemoryIndex(door, f"towpath-{derived_id('log', born)[:12]}-memories-")
        reaching = Reaching(js)
        async with following(js, index, reaching, settings) as follower:
            around = Surroundings(js, settings, projection, index, follower, reaching)
            yield Memories(door, MemoryQuestions(around), Erasure(around), follower)
