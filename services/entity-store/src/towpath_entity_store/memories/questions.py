"""Answers questions about memories: as one would right after a record of the log, and never from before the question."""

import asyncio
import math
from typing import Any, NamedTuple

from qdrant_client import models

from towpath_chassis.errors import BrokerError
from towpath_entity_store.memories import words
from towpath_entity_store.memories.filters import all_of, asked_for
from towpath_entity_store.memories.points import MEANING, TOLD, WORDS, Kept, kept_in
from towpath_entity_store.memories.surroundings import Surroundings
from towpath_entity_store.memories.versions import NEVER, Space
from towpath_entity_store.qdrant_door import CollectionMissingError, QdrantError, QdrantLostError
from towpath_schemas.entities import EntityCommitted
from towpath_schemas.failure import Failure
from towpath_schemas.memory import (
    ITEM,
    FoundMemory,
    MemoriesFound,
    MemoryAsked,
    MemoryItem,
    Unsearched,
    vector_of,
)
from towpath_schemas.streams import JOURNAL

_AGAIN_AFTER_S = 0.1
_CANDIDATES = 4
"""Of how many times what is wanted the ranks of a hybrid search are put together."""
_FEWEST_CANDIDATES = 40


class UnanswerableError(Exception):
    """The question cannot be answered, today or tomorrow; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class _Hit(NamedTuple):
    kept: Kept
    score: float | None = None


class MemoryQuestions:
    """Answers; any replica may."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._js, self._index = around.js, around.index
        self._within_s = around.settings.memory_within_s

    async def answer(self, asked: MemoryAsked) -> MemoriesFound:
        """Answer a question; what the platform cannot do now is told as a failure that may be retried."""
        last: Exception | None = None
        try:
            async with asyncio.timeout(self._within_s):
                while True:
                    try:
                        return await self._answer(asked)
                    except (QdrantLostError, CollectionMissingError, BrokerError) as error:
                        last = error
                        self._around.follower.stir()
                        await asyncio.sleep(_AGAIN_AFTER_S)
        except UnanswerableError as error:
            return MemoriesFound(failure=error.failure)
        except QdrantError as error:
            return MemoriesFound(
                failure=Failure(code="invalid_input", message=f"Qdrant refuses this: {error}")
            )
        except TimeoutError:
            return MemoriesFound(failure=_unavailable(self._within_s, last))

    async def _answer(self, asked: MemoryAsked) -> MemoriesFound:
        reached = await self._around.reaching.now()
        await self._index.know(reached.folded)
        as_of = reached.sequence if asked.as_of is None else min(asked.as_of, reached.sequence)
        if asked.question == "search":
            return await self._search(asked, as_of)
        return await self._list(asked, as_of)

    async def _search(self, asked: MemoryAsked, as_of: int) -> MemoriesFound:
        which = asked_for(asked, as_of)
        if asked.vector is None:
            return MemoriesFound(found=await self._by_words(asked, which), as_of=as_of)
        space = Space(asked.model, len(_finite(asked.vector)))
        unsearched = await self._unsearched(asked, space, as_of)
        found: tuple[FoundMemory, ...] = ()
        if space in self._index.spaces:
            found = await self._by_vector(asked, space, which)
        if unsearched and not found and not await self._count(space, all_of(asked, as_of)):
            raise UnanswerableError(_other_embeddings(asked, space, unsearched))
        return MemoriesFound(found=found, as_of=as_of, unsearched=unsearched)

    async def _by_vector(
        self, asked: MemoryAsked, space: Space, which: models.Filter
    ) -> tuple[FoundMemory, ...]:
        vector = list(_finite(asked.vector or ""))
        said = words.asked(asked.text) if asked.hybrid else None
        if said is None:
            nearest = {"query": vector, "using": MEANING, "score_threshold": asked.min_score}
            return await self._told(await self._query(space, asked, query_filter=which, **nearest))
        return await self._told(await self._query(space, asked, **_both(asked, vector, said, which)))

    async def _by_words(self, asked: MemoryAsked, which: models.Filter) -> tuple[FoundMemory, ...]:
        said = words.asked(asked.text)
        if said is None:
            return ()
        spoken = {"query": _sparse(said), "using": WORDS, "query_filter": which}
        found = await asyncio.gather(*(self._query(space, asked, **spoken) for space in self._index.spaces))
        best = sorted((hit for hits in found for hit in hits), key=lambda hit: -(hit.score or 0.0))
        return await self._told(best[: asked.limit])

    async def _query(self, space: Space, asked: MemoryAsked, **how: Any) -> list[_Hit]:
        question = self._index.client.query_points(
            self._index.collection(space), limit=asked.limit, with_payload=TOLD, **how
        )
        found = (await self._index.door.ask(question)).points
        return [_Hit(kept_in(point.payload or {}), point.score) for point in found]

    async def _list(self, asked: MemoryAsked, as_of: int) -> MemoriesFound:
        if asked.question == "recall" and not asked.keys:
            return MemoriesFound(as_of=as_of)
        which = asked_for(asked, as_of)
        pages = await asyncio.gather(*(self._page(space, asked, which) for space in self._index.spaces))
        every = sorted((kept for page in pages for kept in page), key=lambda kept: kept.written)
        page, rest = every[: asked.limit], every[asked.limit :]
        if asked.question == "keys":
            found = tuple(_key_only(kept) for kept in page)
        else:
            found = await self._told([_Hit(kept) for kept in page])
        return MemoriesFound(found=found, as_of=as_of, following=rest[0].written if rest else None)

    async def _page(self, space: Space, asked: MemoryAsked, which: models.Filter) -> list[Kept]:
        """List one more than is wanted, so that one knows whether there are more."""
        found, _ = await self._index.door.ask(
            self._index.client.scroll(
                self._index.collection(space),
                scroll_filter=which,
                offset=asked.after,
                limit=asked.limit + 1,
                with_payload=TOLD,
            )
        )
        return [kept_in(point.payload or {}) for point in found]

    async def _unsearched(self, asked: MemoryAsked, space: Space, as_of: int) -> tuple[Unsearched, ...]:
        others = sorted(self._index.spaces - {space}, key=str)
        counted = await asyncio.gather(*(self._count(other, all_of(asked, as_of)) for other in others))
        return tuple(
            Unsearched(model=other.model, dimensions=other.dimensions, items=items)
            for other, items in zip(others, counted, strict=True)
            if items
        )

    async def _count(self, space: Space, which: models.Filter) -> int:
        return await self._index.count(space, which) if space in self._index.spaces else 0

    async def _told(self, hits: list[_Hit]) -> tuple[FoundMemory, ...]:
        items = await asyncio.gather(*(self._item(hit.kept) for hit in hits))
        return tuple(
            FoundMemory(
                key=hit.kept.key,
                content=item.content,
                metadata=item.metadata,
                score=hit.score,
                written=hit.kept.written,
                retired=_retired(hit.kept),
                stored_at=hit.kept.stored_at,
            )
            for hit, item in zip(hits, items, strict=True)
            if item is not None
        )

    async def _item(self, kept: Kept) -> MemoryItem | None:
        """Read what is too large to be kept in the index; None where it was erased meanwhile."""
        if kept.item is not None:
            return kept.item
        stored = await self._js.at(JOURNAL, kept.written)
        return (
            None
            if stored is None
            else MemoryItem.model_validate(EntityCommitted.from_body(stored.body).values[ITEM])
        )


def _key_only(kept: Kept) -> FoundMemory:
    return FoundMemory(key=kept.key, written=kept.written, retired=_retired(kept), stored_at=kept.stored_at)


def _retired(kept: Kept) -> int | None:
    return None if kept.retired == NEVER else kept.retired


def _both(asked: MemoryAsked, vector: list[float], said: words.Words, which: models.Filter) -> dict[str, Any]:
    """Search in both ways, and put the ranks together; by words only those are ranked that have one of them."""
    many = max(_FEWEST_CANDIDATES, _CANDIDATES * asked.limit)
    nearest = models.Prefetch(
        query=vector, using=MEANING, filter=which, limit=many, score_threshold=asked.min_score
    )
    spoken = models.Prefetch(query=_sparse(said), using=WORDS, filter=which, limit=many)
    return {"prefetch": [nearest, spoken], "query": models.FusionQuery(fusion=models.Fusion.RRF)}


def _sparse(said: words.Words) -> models.SparseVector:
    return models.SparseVector(indices=said.indices, values=said.values)


def _finite(written: str) -> tuple[float, ...]:
    vector = vector_of(written)
    if not all(map(math.isfinite, vector)):
        message = "vector: it has numbers that are infinite or none at all; embed the text again"
        raise UnanswerableError(Failure(code="invalid_input", message=message))
    return vector


def _other_embeddings(asked: MemoryAsked, space: Space, unsearched: tuple[Unsearched, ...]) -> Failure:
    others = ", ".join(
        f"{other.items:,} by {other.model} ({other.dimensions} numbers each)"
        if other.model
        else f"{other.items:,} without a vector"
        for other in unsearched
    )
    message = (
        f"none of the memories in {asked.namespace} can be compared with a vector of {space.model} with"
        f" {space.dimensions} numbers: there are {others}; store them again with the new model, or search by the old one"
    )
    return Failure(code="other_embeddings", message=message)


def _unavailable(within_s: float, last: Exception | None) -> Failure:
    why = str(last) if last else "the index is still behind the log"
    message = f"the question about memories was not answered within {within_s:g} s: {why}"
    return Failure(code="unavailable", message=message, retryable=True)
