"""The memories of this process: every version of each, searched one by one."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from towpath.local.conditions import meets
from towpath.local.likeness import Scores, by_both, by_directions, by_words, direction
from towpath.remembering.items import text_of
from towpath_schemas.entities import EntityName
from towpath_schemas.failure import Failure
from towpath_schemas.memory import (
    ErasureAsked,
    ErasureDone,
    FoundMemory,
    MemoriesFound,
    MemoryAsked,
    MemoryItem,
    Namespace,
    Unsearched,
    read_entity_key,
    vector_of,
)

Space = tuple[str | None, int]
"""An embedding model, and how many numbers its vectors have; vectors of one space can be compared."""


@dataclass
class Version:
    """What a memory was for a while: from `written`, until `retired`."""

    item: MemoryItem
    written: int
    retired: int | None = None

    @cached_property
    def space(self) -> Space:
        """Which vectors it can be compared with."""
        embedding = self.item.embedding
        return (embedding.model, embedding.dimensions) if embedding else (None, 0)

    @cached_property
    def direction(self) -> tuple[float, ...]:
        """Where its vector points; it must have one."""
        assert self.item.embedding is not None  # noqa: S101 - see above
        return direction(vector_of(self.item.embedding.vector))

    def held_at(self, moment: int) -> bool:
        """Tell whether it held right after the commit of that number."""
        return self.written <= moment and (self.retired is None or moment < self.retired)

    def told(self, score: float | None = None) -> FoundMemory:
        """Tell all of it."""
        item = self.item
        return FoundMemory(
            key=item.key,
            content=item.content,
            metadata=item.metadata,
            score=score,
            written=self.written,
            retired=self.retired,
            stored_at=item.stored_at,
        )

    def named(self) -> FoundMemory:
        """Tell its key."""
        item = self.item
        return FoundMemory(key=item.key, written=self.written, retired=self.retired, stored_at=item.stored_at)


class Memories:
    """The versions of all memories, and what is asked about them."""

    def __init__(self) -> None:
        self._versions: dict[EntityName, list[Version]] = {}
        self._names: dict[tuple[str, str], dict[EntityName, None]] = {}
        self._commits = 0

    def learn(self, name: EntityName, held: Any) -> None:
        """Learn what a commit left of the memory that an entity keeps; None if it was forgotten."""
        self._commits += 1
        namespace = read_entity_key(name.key)[0].written
        self._names.setdefault((name.tenant, namespace), {})[name] = None
        versions = self._versions.setdefault(name, [])
        if versions and versions[-1].retired is None:
            versions[-1].retired = self._commits
        if held is not None:
            versions.append(Version(MemoryItem.model_validate(held), self._commits))

    # --- Questions ----------------------------------------------------------------------------------

    def answer(self, asked: MemoryAsked) -> MemoriesFound:
        """Answer a question."""
        moment = self._commits if asked.as_of is None else min(asked.as_of, self._commits)
        holding = [one for one in self._in(asked.tenant, asked.namespace) if one.held_at(moment)]
        matching = [one for one in holding if meets(one.item.metadata, asked.filter)]
        match asked.question:
            case "search":
                found = tuple(islice(_best(asked, matching), asked.limit))
                others = _unsearched(asked, holding)
                if sum(one.items for one in others) == len(holding) > 0 and not found:
                    return MemoriesFound(failure=_other_embeddings(asked, others))
                return MemoriesFound(found=found, as_of=moment, unsearched=others)
            case "recall":
                wanted = frozenset(asked.keys)
                return _page(asked, (one for one in matching if one.item.key in wanted), moment, Version.told)
            case "keys":
                return _page(asked, matching, moment, Version.named)

    def _in(self, tenant: str, namespace: str) -> Iterator[Version]:
        for name in self._names.get((tenant, namespace), {}):
            yield from self._versions[name]

    # --- Erasing ------------------------------------------------------------------------------------

    def erase(self, asked: ErasureAsked) -> tuple[list[EntityName], ErasureDone]:
        """Forget for good what is to be erased; tell of which entities, and how much it was."""
        names: list[EntityName] = []
        for tenant, namespace in [*self._names]:
            if tenant == asked.attribution.tenant and asked.means(Namespace.read(namespace)):
                names += self._names.pop((tenant, namespace))
        versions = sum(len(self._versions.pop(name)) for name in names)
        return names, ErasureDone(items=len(names), records=versions, points=versions)


def _best(asked: MemoryAsked, versions: list[Version]) -> Iterator[FoundMemory]:
    scores = _scores(asked, versions)
    for place in sorted(scores, key=lambda place: -scores[place]):
        yield versions[place].told(scores[place])


def _scores(asked: MemoryAsked, versions: list[Version]) -> Scores:
    if asked.vector is None:
        return by_words(asked.text, [text_of(one.item.content) for one in versions])
    question = vector_of(asked.vector)
    space = (asked.model, len(question))
    comparable = {place: one.direction for place, one in enumerate(versions) if one.space == space}
    least = -math.inf if asked.min_score is None else asked.min_score
    scores = by_directions(direction(question), comparable)
    near = {place: score for place, score in scores.items() if score >= least}
    if not asked.hybrid:
        return near
    return by_both(near, by_words(asked.text, [text_of(one.item.content) for one in versions]))


def _unsearched(asked: MemoryAsked, versions: list[Version]) -> tuple[Unsearched, ...]:
    if asked.vector is None:
        return ()
    searched = (asked.model, len(vector_of(asked.vector)))
    others = Counter(one.space for one in versions if one.space != searched)
    return tuple(
        Unsearched(model=model, dimensions=dimensions, items=items)
        for (model, dimensions), items in others.items()
    )


def _other_embeddings(asked: MemoryAsked, others: tuple[Unsearched, ...]) -> Failure:
    counted = ", ".join(f"{one.items:,} by {one.model or 'none'}" for one in others)
    message = f"none of the memories in {asked.namespace} can be compared with a vector of {asked.model}: there are {counted}"
    return Failure(code="other_embeddings", message=message)


def _page(
    asked: MemoryAsked, versions: Iterable[Version], moment: int, tell: Callable[[Version], FoundMemory]
) -> MemoriesFound:
    """Tell the earliest written first, from where the page before has ended."""
    later = sorted((one for one in versions if one.written > asked.after), key=lambda one: one.written)
    page = later[: asked.limit]
    following = page[-1].written if len(later) > asked.limit else None
    return MemoriesFound(found=tuple(tell(one) for one in page), as_of=moment, following=following)
