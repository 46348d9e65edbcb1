"""Memories: what one is, how they are asked for, and how those of a user or an application are erased.

An item is an entity of type `towpath.Memory`; its key names the namespace and, within it, the item. Each version of
an item has the sequence, in the log, of the record that wrote it, and of the one that retired it.
"""

import base64
import binascii
import struct
from typing import Annotated, Any, Literal, NamedTuple, Self

from pydantic import AwareDatetime, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from towpath_schemas.attribution import Attribution
from towpath_schemas.failure import Failure
from towpath_schemas.shape import Shape
from towpath_schemas.subjects import name_of, token

MEMORY_TYPE = "towpath.Memory"
"""The entity type of memory items."""
ITEM = "item"
"""The one value in such an entity's state; without it, the item is forgotten."""
LARGEST_DIMENSIONS = 16_384

_APP_WIDE = "shared"
_OF_USER = "user"


class Namespace(NamedTuple):
    """Whose memories: those of a user in an application, or, without a user, those of all its users.

    Attributes:
        app: The application's name; empty where there is none.
    """

    app: str
    user_id: str | None = None

    @classmethod
    def read(cls, written: str) -> Self:
        """Read a namespace.

        Raises:
            ValueError: If it is none.

        >>> Namespace.read(Namespace("shop", "ann").written)
        Namespace(app='shop', user_id='ann')
        """
        match written.split("/"):
            case ["app", app, "shared"]:
                return cls(name_of(app))
            case ["app", app, "user", user]:
                return cls(name_of(app), name_of(user))
            case _:
                raise ValueError(
                    f"{written!r} is no namespace; they are app/<app>/shared and app/<app>/user/<id>"
                )

    @property
    def written(self) -> str:
        """The namespace as it travels; no two are written the same.

        >>> Namespace("shop").written, Namespace("shop", "a/b").written
        ('app/shop/shared', 'app/shop/user/a-x2fb')
        """
        whose = _APP_WIDE if self.user_id is None else f"{_OF_USER}/{token(self.user_id)}"
        return f"app/{token(self.app)}/{whose}"

    def entity_key(self, key: str) -> str:
        """Name the entity of the item `key`.

        >>> Namespace("shop").entity_key("a/b")
        'app/shop/shared/a/b'
        """
        return f"{self.written}/{key}"


def read_entity_key(entity_key: str) -> tuple[Namespace, str]:
    """Read the namespace and the item's key from the key of its entity.

    Raises:
        ValueError: If it names no item.

    >>> read_entity_key("app/shop/user/ann/a/b")
    (Namespace(app='shop', user_id='ann'), 'a/b')
    """
    parts = entity_key.split("/")
    length = 4 if parts[2:3] == [_OF_USER] else 3
    if len(parts) <= length:
        raise ValueError(f"{entity_key!r} names no memory item: it is not <namespace>/<key>")
    return Namespace.read("/".join(parts[:length])), "/".join(parts[length:])


def _checked_vector(written: str) -> str:
    vector_of(written)
    return written


class Embedding(Shape):
    """What an embedding model made of a text.

    Attributes:
        model: The model's name; vectors of different models are never compared.
        vector: Base64 of its numbers, each a little-endian 32-bit float.
    """

    model: Annotated[str, Field(min_length=1, max_length=256)]
    vector: Annotated[str, Field(max_length=LARGEST_DIMENSIONS * 6)]

    @model_validator(mode="after")
    def _vector_is_one(self) -> Self:
        _checked_vector(self.vector)
        return self

    @property
    def dimensions(self) -> int:
        """How many numbers the vector has."""
        return len(base64.b64decode(self.vector)) // 4


def vector_text(vector: list[float] | tuple[float, ...]) -> str:
    """Write a vector as it travels.

    Raises:
        OverflowError: If a number is too large for 32 bits.

    >>> vector_text([1.0, -0.5])
    'AACAPwAAAL8='
    """
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def vector_of(written: str) -> tuple[float, ...]:
    """Read back what `vector_text` wrote.

    Raises:
        ValueError: If it is not base64 of 1 to `LARGEST_DIMENSIONS` floats of four bytes.
    """
    try:
        raw = base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ValueError(f"vector: this is not base64: {error}") from error
    if not 0 < len(raw) <= LARGEST_DIMENSIONS * 4 or len(raw) % 4:
        raise ValueError(f"vector: {len(raw)} bytes are not 1 to {LARGEST_DIMENSIONS:,} floats of four bytes")
    return struct.unpack(f"<{len(raw) // 4}f", raw)


class MemoryItem(Shape):
    """One version of an item, as the entity's state and its log hold it.

    Attributes:
        namespace: As `Namespace.written`.
        content: Any JSON; what is not a text is searched as its JSON.
        metadata: Any JSON; what questions can be filtered by.
        embedding: Made where the item was written, so that nobody has to ask the model again; None without one.
        stored_at: Seconds since 1970.
    """

    key: str
    namespace: str
    content: Any = None
    metadata: dict[str, Any] = {}
    embedding: Embedding | None = None
    stored_at: float


Scalar = StrictBool | StrictInt | StrictFloat | StrictStr
Bound = Annotated[StrictInt | StrictFloat, Field(allow_inf_nan=False)] | AwareDatetime


class Within(Shape):
    """A range: of numbers, or of times as RFC 3339 writes them. At least one bound is given."""

    gte: Bound | None = None
    lte: Bound | None = None
    gt: Bound | None = None
    lt: Bound | None = None

    @model_validator(mode="after")
    def _has_bounds_of_one_kind(self) -> Self:
        given = [bound for bound in (self.gte, self.lte, self.gt, self.lt) if bound is not None]
        if not given:
            raise ValueError("give at least one of gte, lte, gt and lt")
        if len({isinstance(bound, int | float) for bound in given}) > 1:
            raise ValueError("give bounds that are all numbers, or all times")
        return self


Condition = Scalar | Annotated[tuple[Scalar, ...], Field(min_length=1, max_length=1_000)] | Within
"""What a field of the metadata must be: equal to a value, to any of several, or within a range."""

FieldPath = Annotated[str, Field(min_length=1, max_length=512, pattern=r'^[^"\[\].]+(\.[^"\[\].]+)*$')]
"""A field of the metadata; a dot leads into what is nested, and a list has what any of its members has."""

MemoryQuestion = Literal["search", "recall", "keys"]


class MemoryAsked(Shape):
    """A question about the memories of one namespace. Whatever was committed before it was asked is answered from.

    Attributes:
        namespace: As `Namespace.written`.
        question: `search` for what is most like a text or vector; `recall` items by their keys; list the `keys`.
        keys: Which items to recall.
        text: What to search for by its words; the only way to search without a vector.
        vector: What to search for by its meaning, as `vector_text` writes it.
        model: Which model made the vector; given with it.
        limit: How many to tell at the most.
        after: Of keys and of what is recalled, the `following` of the page before.
        filter: What the metadata must be; all of it.
        min_score: Leave out what is less like it. Not for what is found by words: their scores have no end.
        as_of: Answer as one would have right after this record of the log; None for the newest.
        hybrid: Search by meaning and by words, and put together the ranks of both.
    """

    tenant: Annotated[str, Field(min_length=1, max_length=256)]
    namespace: str
    question: MemoryQuestion
    keys: Annotated[tuple[str, ...], Field(max_length=1_000)] = ()
    text: str = ""
    vector: Annotated[str, Field(max_length=LARGEST_DIMENSIONS * 6)] | None = None
    model: str | None = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 10
    after: Annotated[int, Field(ge=0)] = 0
    filter: dict[FieldPath, Condition] = {}
    min_score: Annotated[float, Field(allow_inf_nan=False)] | None = None
    as_of: Annotated[int, Field(ge=0)] | None = None
    hybrid: bool = False

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        Namespace.read(self.namespace)
        if (self.vector is None) != (self.model is None):
            raise ValueError("vector and model: give both, or neither")
        if self.vector is not None:
            _checked_vector(self.vector)
        if self.question == "search" and self.vector is None and not self.text:
            raise ValueError("text: a search needs one, or a vector")
        if self.hybrid and (self.vector is None or not self.text):
            raise ValueError("hybrid: searching by meaning and by words takes a vector and a text")
        return self


class FoundMemory(Shape):
    """An item that was found, as it was at the time asked about.

    Attributes:
        content: None where only keys were asked for; so is the metadata left out.
        score: How much it is like what was searched for: the cosine of the vectors; of words, and of both, only its
            order tells anything.
        written: Sequence of the record that wrote this version.
        retired: Sequence of the record that replaced or forgot it; None where that has not happened.
        stored_at: Seconds since 1970.
    """

    key: str
    content: Any = None
    metadata: dict[str, Any] = {}
    score: float | None = None
    written: int
    retired: int | None = None
    stored_at: float


class Unsearched(Shape):
    """Items of the namespace that a search by a vector could not compare: other models made their vectors, or none.

    Attributes:
        model: None for items without a vector.
        dimensions: 0 for items without a vector.
    """

    model: str | None = None
    dimensions: int = 0
    items: int


class MemoriesFound(Shape):
    """The answer to a question about memories.

    Attributes:
        found: The best first; of keys and recalled ones, the earliest written first.
        as_of: The record of the log right after which this was the answer.
        following: Where the next page of keys, or of what is recalled, begins; None where this is the last.
        unsearched: Of a search by a vector: what to embed by its model to have it found.
        failure: Why there is no answer; then all else says nothing.
    """

    found: tuple[FoundMemory, ...] = ()
    as_of: int = 0
    following: int | None = None
    unsearched: tuple[Unsearched, ...] = ()
    failure: Failure | None = None


class ErasureAsked(Shape):
    """Erase every version of every item of a namespace, or of all namespaces of a user, for good.

    Asked again, it goes on where it stood.

    Attributes:
        namespace: As `Namespace.written`; not with `user_id`.
        user_id: Whose memories, in all applications.
        attribution: Who asks for it.
        reason: A sentence for people.
    """

    namespace: str | None = None
    user_id: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    attribution: Attribution
    reason: str | None = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.namespace is None) == (self.user_id is None):
            raise ValueError("namespace and user_id: give one of them")
        if self.namespace is not None:
            Namespace.read(self.namespace)
        return self

    def means(self, namespace: Namespace) -> bool:
        """Tell whether the items of `namespace` are to be erased."""
        if self.namespace is not None:
            return namespace.written == self.namespace
        return namespace.user_id == self.user_id


class ErasureDone(Shape):
    """What was erased, and that nothing of it is left.

    Attributes:
        items: How many items.
        records: How many records of their logs.
        points: How many versions in the search index.
        entry: Name of the journal that tells of it; its audit events name it as their run.
        failure: Why something may be left: ask again.
    """

    items: int = 0
    records: int = 0
    points: int = 0
    entry: str | None = None
    failure: Failure | None = None
