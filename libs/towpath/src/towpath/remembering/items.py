"""A memory, as whoever reads it sees it."""

from collections.abc import Iterable
from typing import Any, Self

from pydantic_core import to_json

from towpath.errors import InvalidInputError
from towpath_schemas.memory import FoundMemory
from towpath_schemas.shape import Shape

MAX_ITEM_BYTES = 256 * 1024
"""How large a memory may be as JSON, with all that is said about it."""


class MemoryItem(Shape):
    """Something that is remembered.

    Attributes:
        key: What it is called, within its namespace.
        content: What is remembered.
        metadata: What else was said about it.
        score: How much it is like what was searched for; 1 where it was asked for by its key.
        namespace: Whose it is.
        written: The log sequence that wrote this version of it.
        retired: The log sequence that replaced or forgot it; None while it holds.
        stored_at: When it was written, in seconds since 1970.
    """

    key: str
    content: Any = None
    metadata: dict[str, Any] = {}
    score: float = 1.0
    namespace: str
    written: int
    retired: int | None = None
    stored_at: float

    @classmethod
    def found_in(cls, namespace: str, found: FoundMemory) -> Self:
        """Read what was found in a namespace."""
        said = {name: getattr(found, name) for name in FoundMemory.model_fields}
        return cls.model_validate(
            {**said, "namespace": namespace, "score": 1.0 if found.score is None else found.score}
        )

    @property
    def text(self) -> str:
        """The content as text."""
        return text_of(self.content)


class FoundItems(list[MemoryItem]):
    """What a search has found, the best first.

    Attributes:
        as_of: The log sequence right after which this was the answer: `search(..., as_of=...)` gives it again.
    """

    def __init__(self, items: Iterable[MemoryItem] = (), *, as_of: int = 0) -> None:
        super().__init__(items)
        self.as_of = as_of


def size_of(content: Any, metadata: Any) -> int:
    """Measure a memory as JSON, with all that is said about it, in bytes."""
    return len(to_json([content, metadata]))


def check_size(key: str, content: Any, metadata: Any) -> None:
    """Refuse what is too large to be remembered.

    Raises:
        InvalidInputError: If so.
    """
    size = size_of(content, metadata)
    if size > MAX_ITEM_BYTES:
        raise InvalidInputError(
            f"memory {key!r} has {size:,} bytes with its metadata; it may have {MAX_ITEM_BYTES:,}: store it in parts"
        )


def text_of(content: Any) -> str:
    """Write content as text: what is no text, as its JSON.

    >>> text_of("likes tea"), text_of(["tea", 2])
    ('likes tea', '["tea",2]')
    """
    return content if isinstance(content, str) else to_json(content).decode()
