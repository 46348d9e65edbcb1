"""An embedding model for tests: texts are the closer the more words they share, and that is all there is to it."""

import re
from collections.abc import Sequence
from zlib import crc32

from towpath.embeddings.port import Vector, embeddable, unit
from towpath.errors import ConfigurationError

_MODEL = "words"
_DIMENSIONS = 384


class HashedWords:
    """`test/words`: each word counts in one of 384 places, whatever its case.

    The cosine of two texts is 1 if they have the same words, and 0 if they share none, but for the rare two words that
    have one place.
    """

    @property
    def name(self) -> str:
        """`test/words`."""
        return f"test/{_MODEL}"

    @property
    def dimensions(self) -> int:
        """384."""
        return _DIMENSIONS

    def __repr__(self) -> str:
        return "HashedWords()"

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`; see `Embedder`."""
        return [_vector(text) for text in embeddable(texts)]


def _vector(text: str) -> Vector:
    counts = [0.0] * _DIMENSIONS
    for word in re.findall(r"\w+", text.casefold()) or [text]:
        counts[crc32(word.encode()) % _DIMENSIONS] += 1
    return unit(counts)


def hashed(name: str) -> HashedWords:
    """Find `test/<name>`.

    Raises:
        ConfigurationError: If it is another than `test/words`.
    """
    if name != _MODEL:
        raise ConfigurationError(f"no embedding model test/{name} is known; there is test/{_MODEL}")
    return HashedWords()
