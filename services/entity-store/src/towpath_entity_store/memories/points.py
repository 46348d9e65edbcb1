"""Versions of items as points of Qdrant: what they are found by, and all there is to tell of them."""

import json
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

from qdrant_client import models

from towpath_entity_store.memories import words
from towpath_entity_store.memories.versions import Space, Version
from towpath_schemas.identity import derived_id
from towpath_schemas.memory import MemoryItem
from towpath_schemas.subjects import token

MEANING, WORDS = "meaning", "words"
"""The names of the vectors that a point may have."""
LARGEST_ITEM = 32 * 1_024
"""Characters of an item that are kept beside its vectors; a larger one is read from the log."""

_KEYWORD, _INTEGER = models.PayloadSchemaType.KEYWORD, models.PayloadSchemaType.INTEGER
INDEXED = {
    "tenant": _KEYWORD,
    "namespace": _KEYWORD,
    "user": _KEYWORD,
    "key": _KEYWORD,
    "facts": _KEYWORD,
    "written": _INTEGER,
    "retired": _INTEGER,
}
"""The fields of a point that every question looks at."""
TOLD = ["key", "written", "retired", "stored_at", "item"]
"""The fields that make an answer."""

_LARGEST_INTEGER = 2**63
_LONGEST_FACT = 256
_MOST_FACTS = 1_000


class Kept(NamedTuple):
    """What a point tells of a version: `item` is None where it must be read from the log."""

    key: str
    written: int
    retired: int
    stored_at: float
    item: MemoryItem | None


def vectors_of(space: Space) -> dict[str, models.VectorParams]:
    """Declare the dense vectors of a space."""
    if not space.dimensions:
        return {}
    return {MEANING: models.VectorParams(size=space.dimensions, distance=models.Distance.COSINE)}


def sparse_vectors() -> dict[str, models.SparseVectorParams]:
    """Declare the sparse vectors of every space."""
    return {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)}


def point_of(version: Version) -> models.PointStruct:
    """Write a version as a point; its id is the sequence of its record."""
    vectors: dict[str, Any] = {}
    if (vector := version.vector) is not None:
        vectors[MEANING] = list(vector)
    if (said := words.written(version.text)) is not None:
        vectors[WORDS] = models.SparseVector(indices=said.indices, values=said.values)
    # Not validated again: to tell which kind of vector it is takes the client longer than all else that is done here.
    return models.PointStruct.model_construct(id=version.sequence, vector=vectors, payload=_payload(version))


def kept_in(payload: dict[str, Any]) -> Kept:
    """Read what a point tells."""
    item = payload.get("item")
    read = None if item is None else MemoryItem.model_validate(json.loads(item))
    key, stored_at = json.loads(payload["key"]), json.loads(payload["stored_at"])
    return Kept(key, payload["written"], payload["retired"], stored_at, read)


def key_written(key: str) -> str:
    """Write an item's key as points have it: whatever its characters, it is read back as it was."""
    return json.dumps(key)


def fact_written(name: str, value: bool | float | str) -> str:  # noqa: FBT001 - as the metadata has it
    """Write that a field of the metadata has a value; 5 is 5.0, and true is neither 1 nor "true"."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    written = json.dumps(float(value) if number else value)
    return f"{name}={written if len(written) <= _LONGEST_FACT else derived_id(written)}"


def _payload(version: Version) -> dict[str, Any]:
    payload: dict[str, Any] = {
        "tenant": token(version.tenant),
        "namespace": version.namespace.written,
        "key": key_written(version.key),
        "written": version.sequence,
        "retired": version.retired,
        "stored_at": json.dumps(version.item.stored_at),
        "metadata": _comparable(version.item.metadata),
        "facts": _facts(version.item.metadata),
    }
    if version.namespace.user_id is not None:
        payload["user"] = token(version.namespace.user_id)
    item = _item(version.item)
    return {**payload, "item": item} if len(item) <= LARGEST_ITEM else payload


def _item(item: MemoryItem) -> str:
    """Write an item without its vector, as a text: Qdrant would change the largest and the oddest numbers."""
    return json.dumps(item.model_dump(exclude={"embedding"}))


def _facts(metadata: dict[str, Any]) -> list[str]:
    """List what metadata says, each as one text, so that one index serves every field that anybody thinks of."""
    said = (fact_written(name, value) for name, value in _leaves(metadata, "") if _is_finite(value))
    return list(dict.fromkeys(said))[:_MOST_FACTS]


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """List the values in metadata with the names that lead to them; a list has what its members have."""
    if isinstance(value, dict):
        for inner, member in cast("dict[str, Any]", value).items():
            yield from _leaves(member, f"{name}.{inner}" if name else inner)
    elif isinstance(value, list):
        for member in cast("list[Any]", value):
            yield from _leaves(member, name)
    elif value is not None:
        yield name, value


def _is_finite(value: Any) -> bool:
    return not isinstance(value, int | float) or abs(value) <= sys.float_info.max


def _comparable(value: Any) -> Any:
    """Write metadata as Qdrant can take it, for what is asked by a range: what it has no words for is left out."""
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {_text(name): _comparable(member) for name, member in members.items()}
    if isinstance(value, list):
        return [_comparable(member) for member in cast("list[Any]", value)]
    if isinstance(value, str):
        return _text(value)
    return value if _is_finite(value) and abs(value or 0) < _LARGEST_INTEGER else None


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
