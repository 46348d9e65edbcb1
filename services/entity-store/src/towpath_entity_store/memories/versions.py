"""What a record of an item's log means for the index: a version that is written, and the one before it retired.

Versions are put in where they are not yet, and are retired by the earliest record that says so. Both may be done in
any order and any number of times, by several processes at once, and come to the same.
"""

import json
import math
from collections.abc import Iterable
from typing import Any, NamedTuple, Self

from towpath_schemas.entities import EntityCommitted, EntityName
from towpath_schemas.memory import ITEM, MemoryItem, Namespace, read_entity_key, vector_of

NEVER = 2**53 - 1
"""The sequence of the record that retires what nothing has retired."""


class Space(NamedTuple):
    """What a vector can be compared with: those of the same model and size. Items without one have a space, too."""

    model: str | None = None
    dimensions: int = 0


class Record(NamedTuple):
    """A record of an item's log, at its sequence of the journal."""

    name: EntityName
    sequence: int
    committed: EntityCommitted

    @property
    def changes_item(self) -> bool:
        """Whether it writes or forgets the item."""
        return ITEM in self.committed.values or ITEM in self.committed.deleted


class Version(NamedTuple):
    """A version of an item.

    Attributes:
        sequence: Of the record that wrote it; it names the version in the index.
        retired: Of the record that retired it.
    """

    tenant: str
    namespace: Namespace
    key: str
    sequence: int
    item: MemoryItem
    retired: int = NEVER

    @classmethod
    def written_by(cls, record: Record) -> Self | None:
        """Read the version that a record writes; None where it writes none.

        Raises:
            ValueError: If the entity is no memory item, or its state none.
        """
        if ITEM not in record.committed.values:
            return None
        namespace, key = read_entity_key(record.name.key)
        item = MemoryItem.model_validate(record.committed.values[ITEM])
        return cls(record.name.tenant, namespace, key, record.sequence, item)

    @property
    def vector(self) -> tuple[float, ...] | None:
        """Its vector; None where there is none that anything could be compared with."""
        if self.item.embedding is None:
            return None
        vector = vector_of(self.item.embedding.vector)
        return vector if any(vector) and all(map(math.isfinite, vector)) else None

    @property
    def space(self) -> Space:
        """Where it is searched by its vector."""
        vector, embedding = self.vector, self.item.embedding
        return Space(embedding.model, len(vector)) if vector and embedding else Space()

    @property
    def text(self) -> str:
        """What is searched by its words."""
        return text_of(self.item.content)


class Effects(NamedTuple):
    """What the index is to take over: versions to put in where they are not yet, and to retire where they are."""

    written: tuple[Version, ...] = ()
    retired: tuple[Version, ...] = ()


def text_of(content: Any) -> str:
    """Write a content as a text."""
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def effects(record: Record, before: Record | None) -> Effects:
    """Tell what a record means; `before` is the newest earlier one that changed the item.

    Raises:
        ValueError: If one of them is no record of a memory item.
    """
    if not record.changes_item:
        return Effects()
    new = Version.written_by(record)
    old = Version.written_by(before) if before else None
    retired = old._replace(retired=record.sequence) if old else None
    return Effects(tuple(filter(None, (retired, new))), (retired,) if retired else ())


def together(every: Iterable[Effects]) -> Effects:
    """Put effects together; where a version is both written and written as retired, it is retired."""
    written: dict[int, Version] = {}
    retired: dict[int, Version] = {}
    for one in every:
        for version in one.written:
            _keep_earliest(written, version)
        for version in one.retired:
            _keep_earliest(retired, version)
    return Effects(tuple(written.values()), tuple(retired.values()))


def _keep_earliest(versions: dict[int, Version], version: Version) -> None:
    known = versions.get(version.sequence)
    if known is None or version.retired < known.retired:
        versions[version.sequence] = version
