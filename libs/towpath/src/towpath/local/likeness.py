"""How much texts are like a question: by their vectors, by their words, or by both."""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from operator import mul

_WORD = re.compile(r"\w+")
_COMMON = frozenset(["a", "an", "and", "are", "for", "in", "is", "it", "of", "on", "or", "the", "to", "with"])
_SATURATION, _BY_LENGTH = 1.2, 0.75
"""The usual constants of BM25."""
_RANKS = 60
"""The usual constant of reciprocal rank fusion."""

Scores = Mapping[int, float]
"""How much each of several texts is like the question, by its place among them; those that are not at all are left out."""


def direction(vector: Sequence[float]) -> tuple[float, ...]:
    """Give a vector the length 1.

    >>> direction([0.0, 4.0])
    (0.0, 1.0)
    """
    length = math.hypot(*vector) or 1.0
    return tuple(number / length for number in vector)


def by_directions(question: Sequence[float], others: Mapping[int, Sequence[float]]) -> Scores:
    """Compare vectors of length 1 by the cosine of their angle.

    >>> by_directions([1.0, 0.0], {0: [1.0, 0.0], 1: [0.0, 1.0]})
    {0: 1.0, 1: 0.0}
    """
    return {place: sum(map(mul, question, other)) for place, other in others.items()}


def by_words(question: str, texts: Sequence[str]) -> Scores:
    """Compare texts by the words they share, rare ones first (BM25)."""
    counted = [Counter(_words(text)) for text in texts]
    mean = sum(count.total() for count in counted) / len(counted) if counted else 0.0
    scores: Counter[int] = Counter()
    for word in set(_words(question)):
        having = [place for place, count in enumerate(counted) if word in count]
        rarity = math.log(1 + (len(texts) - len(having) + 0.5) / (len(having) + 0.5))
        for place in having:
            often, length = counted[place][word], counted[place].total() / mean
            norm = often + _SATURATION * (1 - _BY_LENGTH + _BY_LENGTH * length)
            scores[place] += rarity * often * (_SATURATION + 1) / norm  # type: ignore[assignment] # a Counter of floats
    return scores


def by_both(meaning: Scores, words: Scores) -> Scores:
    """Put together the ranks of two comparisons."""
    fused: dict[int, float] = {}
    for scores in (meaning, words):
        for rank, place in enumerate(sorted(scores, key=lambda place: -scores[place])):
            fused[place] = fused.get(place, 0.0) + 1 / (_RANKS + rank + 1)
    return fused


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if word not in _COMMON]
