"""Texts as sparse vectors of their words, so that their product is like BM25; Qdrant adds how rare a word is."""

import re
import zlib
from collections import Counter
from typing import NamedTuple
from unicodedata import normalize

_WORD = re.compile(r"\w+")
_SATURATION = 1.2
_LENGTH_WEIGHT = 0.75
_ORDINARY_LENGTH = 24
"""Words of an ordinary memory: BM25 wants the mean, which nobody knows when the first is written."""
_LONGEST_WORD = 64
_SHORTEST_PLURAL = 4
_SAY_NOTHING = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be been but by did do does for from had has have he her his i if in is it its me my of on"
        " or our she so that the their them they this to was we were what when where which who will with you your",
    )
)


class Words(NamedTuple):
    """A sparse vector: which words, as numbers of 32 bits, and what each weighs."""

    indices: list[int]
    values: list[float]


def words(text: str) -> list[str]:
    """Split a text into the words that say something, in one form each.

    >>> words("She likes her coffees BLACK, no. 42")
    ['like', 'coffee', 'black', 'no', '42']
    """
    found = _WORD.findall(normalize("NFKC", text).casefold())
    return [_singular(word[:_LONGEST_WORD]) for word in found if word not in _SAY_NOTHING]


def written(text: str) -> Words | None:
    """Weigh the words of a text that is kept; None where it has none."""
    counted = Counter(map(_index, words(text)))
    length = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * counted.total() / _ORDINARY_LENGTH
    weights = [count * (_SATURATION + 1) / (count + _SATURATION * length) for count in counted.values()]
    return Words(list(counted), weights) if counted else None


def asked(text: str) -> Words | None:
    """Weigh the words of a text that is searched for; None where it has none."""
    indices = list(dict.fromkeys(map(_index, words(text))))
    return Words(indices, [1.0] * len(indices)) if indices else None


def _index(word: str) -> int:
    return zlib.crc32(word.encode(errors="surrogatepass"))


def _singular(word: str) -> str:
    """Drop a plural's ending: crude, and the same on both sides."""
    if len(word) < _SHORTEST_PLURAL or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    return f"{word[:-3]}y" if word.endswith("ies") else word[:-1]
