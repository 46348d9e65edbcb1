"""What Qdrant itself says of the index: which collections it has, and how far it surely came.

So that a collection which somebody dropped is missed, and a Qdrant that was emptied, or set back to an older copy, is
noticed. It is a small collection of its own.
"""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

from qdrant_client import models

from towpath_entity_store.memories.versions import Space
from towpath_entity_store.qdrant_door import CollectionMissingError, QdrantDoor, QdrantRefusedError
from towpath_schemas.identity import derived_id

_MARK = 0
_AT_MOST = 10_000
_UNUSED = {"unused": models.SparseVectorParams()}


class Seen(NamedTuple):
    """What was read.

    Attributes:
        generation: Another one after each loss.
        folded: Every record up to this sequence of the journal was in the index once, and on its disk.
        spaces: Those that have a collection, unless it was dropped.
    """

    generation: str
    folded: int
    spaces: frozenset[Space]


class Standing:
    """Reads and writes it; `prefix` names the log that this is an index of."""

    def __init__(self, door: QdrantDoor, prefix: str) -> None:
        self._door = door
        self._client = door.client
        self.collection = f"{prefix}standing"

    async def read(self) -> Seen | None:
        """Read it; None where there is none, so that nothing is known of the index.

        Raises:
            QdrantLostError: If Qdrant is lost.
        """
        try:
            found, _ = await self._door.ask(self._client.scroll(self.collection, limit=_AT_MOST))
        except CollectionMissingError:
            return None
        told = {point.id: point.payload or {} for point in found}
        mark = told.pop(_MARK, None)
        if mark is None:
            return None
        spaces = frozenset(Space(space.get("model"), space["dimensions"]) for space in told.values())
        return Seen(mark["generation"], mark["folded"], spaces)

    async def begin(self) -> None:
        """Make it anew; nothing, where somebody else just did."""
        made = self._client.create_collection(
            self.collection, vectors_config={}, sparse_vectors_config=_UNUSED
        )
        try:
            await self._door.ask(made)
        except QdrantRefusedError:  # it is there
            if not await self._door.ask(self._client.collection_exists(self.collection)):
                raise
        mark = _point(_MARK, {"generation": uuid4().hex, "folded": 0})
        await self._insert(mark)

    async def restart(self) -> None:
        """Say that something is lost, so that nothing is known to be in the index."""
        lost = {"generation": uuid4().hex, "folded": 0}
        await self._door.ask(self._client.set_payload(self.collection, lost, points=[_MARK]))

    async def mark(self, generation: str, folded: int) -> None:
        """Say how far the index came; nothing, where something was lost since, or somebody came further.

        Raises:
            CollectionMissingError: If it was dropped.
            QdrantLostError: If Qdrant is lost.
        """
        same = models.FieldCondition(key="generation", match=models.MatchValue(value=generation))
        less = models.FieldCondition(key="folded", range=models.Range(lt=folded))
        which = models.Filter(must=[models.HasIdCondition(has_id=[_MARK]), same, less])
        await self._door.ask(self._client.set_payload(self.collection, {"folded": folded}, points=which))

    async def add(self, space: Space) -> None:
        """Say that a space has a collection.

        Raises:
            CollectionMissingError: If it was dropped.
            QdrantLostError: If Qdrant is lost.
        """
        await self._insert(_point(str(UUID(bytes=_digest(space))), space._asdict()))

    async def _insert(self, point: models.PointStruct) -> None:
        insert_only = models.UpdateMode.INSERT_ONLY
        await self._door.ask(self._client.upsert(self.collection, [point], update_mode=insert_only))


def space_name(space: Space) -> str:
    """Name a space by letters that any file system takes."""
    return derived_id("space", space.model or "", str(space.dimensions))


def _digest(space: Space) -> bytes:
    return space_name(space).encode()[:16]


def _point(number: int | str, payload: dict[str, Any]) -> models.PointStruct:
    return models.PointStruct(id=number, vector={}, payload=payload)
