"""The index of memories in Qdrant: a collection for each space, into which versions are put."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable

import structlog
from qdrant_client import models

from towpath_entity_store.memories.filters import not_retired_before
from towpath_entity_store.memories.points import INDEXED, point_of, sparse_vectors, vectors_of
from towpath_entity_store.memories.standing import Standing, space_name
from towpath_entity_store.memories.versions import Effects, Space
from towpath_entity_store.qdrant_door import CollectionMissingError, QdrantDoor, QdrantRefusedError

log = structlog.get_logger(__name__)

_Operation = models.UpsertOperation | models.SetPayloadOperation


class MemoryIndex:
    """Takes effects in; `prefix` names the log that it is an index of.

    Attributes:
        spaces: Those that are known to have a collection.
        standing: What Qdrant says of it.
    """

    def __init__(self, door: QdrantDoor, prefix: str) -> None:
        self.door = door
        self.client = door.client
        self.standing = Standing(door, prefix)
        self.spaces: frozenset[Space] = frozenset()
        self._prefix = prefix
        self._known_at = -1
        self._admission = asyncio.Lock()

    def collection(self, space: Space) -> str:
        """Name the collection of a space."""
        return f"{self._prefix}{space_name(space)}"

    async def take(self, effects: Effects) -> None:
        """Take effects in; once this returns, every question sees them.

        Raises:
            CollectionMissingError: If a collection was dropped.
            QdrantRefusedError: If one of the versions cannot be put in.
            QdrantLostError: If Qdrant is lost.
        """
        operations: dict[Space, list[_Operation]] = defaultdict(list)
        for space, points in _by_space(effects).items():
            new = models.PointsList(points=points, update_mode=models.UpdateMode.INSERT_ONLY)
            operations[space].append(models.UpsertOperation(upsert=new))
        for version in effects.retired:
            which = not_retired_before(version.sequence, version.retired)
            said = models.SetPayload(payload={"retired": version.retired}, filter=which)
            operations[version.space].append(models.SetPayloadOperation(set_payload=said))
        for space, changes in operations.items():
            await self._admit(space)
            await self.door.ask(self.client.batch_update_points(self.collection(space), changes))

    async def erase(self, which: models.Filter) -> None:
        """Delete what passes a filter, everywhere."""
        chosen = models.FilterSelector(filter=which)
        for space in self.spaces:
            await self.door.ask(self.client.delete(self.collection(space), chosen))

    async def count_everywhere(self, which: models.Filter) -> int:
        """Count what passes a filter."""
        return sum(await asyncio.gather(*(self.count(space, which) for space in self.spaces)))

    async def count(self, space: Space, which: models.Filter) -> int:
        """Count what passes a filter in a space."""
        return (await self.door.ask(self.client.count(self.collection(space), count_filter=which))).count

    async def delete(self, versions: Iterable[int]) -> None:
        """Delete single versions, wherever they are."""
        points = models.PointIdsList(points=list(versions))
        for space in self.spaces:
            await self.door.ask(self.client.delete(self.collection(space), points))

    async def know(self, folded: int) -> None:
        """Learn which spaces there are; `folded` says what is folded, so that nothing is asked for twice.

        Raises:
            CollectionMissingError: If nothing is known of the index.
            QdrantLostError: If Qdrant is lost.
        """
        if folded == self._known_at:
            return
        seen = await self.standing.read()
        if seen is None:
            raise CollectionMissingError("nothing is known of the index")
        self.spaces, self._known_at = seen.spaces, folded

    async def missing(self) -> list[Space] | None:
        """List the spaces whose collections were dropped; None where nothing is known of the index."""
        seen = await self.standing.read()
        if seen is None:
            return None
        self.spaces = seen.spaces
        there = await self.door.ask(self.client.get_collections())
        names = {collection.name for collection in there.collections}
        return [space for space in seen.spaces if self.collection(space) not in names]

    async def create(self, space: Space) -> None:
        """Make the collection of a space; nothing, where it is there."""
        name = self.collection(space)
        made = self.client.create_collection(
            name, vectors_config=vectors_of(space), sparse_vectors_config=sparse_vectors()
        )
        try:
            await self.door.ask(made)
        except QdrantRefusedError:  # it is there, or cannot be
            if not await self.door.ask(self.client.collection_exists(name)):
                raise
        for field, schema in INDEXED.items():
            await self.door.ask(self.client.create_payload_index(name, field, field_schema=schema))
        log.info("a collection of memories was made", model=space.model, dimensions=space.dimensions)

    async def drop(self) -> None:
        """Delete the index."""
        seen = await self.standing.read()
        for space in seen.spaces if seen else ():
            await self.door.ask(self.client.delete_collection(self.collection(space)))
        await self.door.ask(self.client.delete_collection(self.standing.collection))
        self.spaces, self._known_at = frozenset(), -1

    async def _admit(self, space: Space) -> None:
        """See that a space has a collection; one that should be there is not made here: what it had would be missed."""
        if space in self.spaces:
            return
        async with self._admission:
            seen = await self.standing.read()
            if seen is None:
                raise CollectionMissingError("nothing is known of the index")
            if space not in seen.spaces:
                await self.create(space)
                await self.standing.add(space)
            self.spaces = seen.spaces | {space}


def _by_space(effects: Effects) -> dict[Space, list[models.PointStruct]]:
    points: dict[Space, list[models.PointStruct]] = defaultdict(list)
    for version in effects.written:
        points[version.space].append(point_of(version))
    return points
