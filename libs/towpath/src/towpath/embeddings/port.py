"""The port to embedding models: texts become vectors that lie close together where the texts mean the same."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from towpath.errors import InvalidInputError

Vector = list[float]
"""A direction: its length is 1, so the dot product of two vectors is their cosine."""


class Embedder(Protocol):
    """An embedding model. The same text always has the same vector, whatever else is asked with it."""

    @property
    def name(self) -> str:
        """`provider/model`, stored with each vector: vectors of different names cannot be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Numbers in each vector."""
        ...

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, in their order.

        Raises:
            InvalidInputError: If one of them is no text, or there is nothing in it.
            ModelError: If the provider refused or failed; its failure says whether trying again may help.
        """
        ...


def embeddable(texts: Sequence[str]) -> Sequence[str]:
    """Return `texts` if every one of them can be embedded.

    Raises:
        InvalidInputError: If one is no text, has nothing but white space, or cannot be written as UTF-8.
    """
    if isinstance(texts, str):
        raise InvalidInputError("texts is one text, not a list of texts; write embed([text])")
    for number, text in enumerate(texts, 1):
        problem = _problem(text)
        if problem is not None:
            raise InvalidInputError(f"text {number} of {len(texts)} {problem}")
    return texts


def _problem(text: Any) -> str | None:
    if not isinstance(text, str):
        return f"is of type {type(text).__name__}; only text can be embedded"
    if not text or text.isspace():
        return "is empty; there is nothing to embed"
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"has half a character at position {error.start}; it cannot be written as UTF-8"
    return None


def unit(vector: Iterable[float]) -> Vector:
    """Scale a vector to the length 1.

    Raises:
        ValueError: If it has no direction: all zeros, or a number that is not finite.
    """
    numbers = list(vector)
    length = math.hypot(*numbers)
    if not 0 < length < math.inf:
        raise ValueError(f"a vector of the length {length} has no direction")
    return [number / length for number in numbers]
