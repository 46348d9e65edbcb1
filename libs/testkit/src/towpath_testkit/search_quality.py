"""How well something finds the notes that answer a question: a labelled set, a lexical baseline, and the measure."""

import json
import math
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from towpath.embeddings.port import Embedder

Scores = list[list[float]]
"""Of each query, what each note scores."""

Searcher = Callable[[Sequence[str], Sequence[str]], Awaitable[Scores]]
"""Scores notes for queries: is given the texts of both."""

_COMMON = frozenset(
    re.findall(
        r"\w+",
        """
        a about after all an and any are as at be been before by can did do does for from had has have he her here him his
        how i if in into is it its may me more most must my no not of on one only or our out she should so some than that
        the their them then there they this to up us very was we were what when where which who whom why will with would
        you your
        """,
    )
)
_ENDINGS = ("ations", "ation", "ings", "ing", "ies", "ied", "ed", "es", "s", "ly", "er", "ers")
_MIN_STEM = 3


@dataclass(frozen=True, slots=True)
class Query:
    """A question, and the places of the notes that answer it; its kind is `paraphrase` or `wording`."""

    text: str
    kind: str
    answers: frozenset[int]


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Notes, and questions about them."""

    notes: tuple[str, ...]
    queries: tuple[Query, ...]

    def of_kind(self, kind: str) -> "LabelledSet":
        """Return the set with the questions of one kind only."""
        return LabelledSet(self.notes, tuple(query for query in self.queries if query.kind == kind))

    async def places(self, search: Searcher) -> list[int]:
        """Return for each query at which place, from 1, the first note that answers it is found."""
        scores = await search(self.notes, [query.text for query in self.queries])
        return [_place(row, query.answers) for row, query in zip(scores, self.queries, strict=True)]


def _place(scores: list[float], answers: frozenset[int]) -> int:
    best = max(scores[one] for one in answers)
    return 1 + sum(score >= best for note, score in enumerate(scores) if note not in answers)


def recall(places: Sequence[int], at: int) -> float:
    """Return the share of queries of which an answer is among the first `at` notes."""
    return sum(place <= at for place in places) / len(places)


def read_labelled_set(folder: Path) -> LabelledSet:
    """Read `notes.jsonl` and `queries.jsonl`."""
    notes, queries = _lines(folder / "notes.jsonl"), _lines(folder / "queries.jsonl")
    number = {note["id"]: place for place, note in enumerate(notes)}
    return LabelledSet(
        tuple(note["text"] for note in notes),
        tuple(
            Query(query["text"], query["kind"], frozenset(number[one] for one in query["answers"]))
            for query in queries
        ),
    )


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def by_vectors(embedder: Embedder) -> Searcher:
    """Search by the cosine of an embedder's vectors."""

    async def search(notes: Sequence[str], queries: Sequence[str]) -> Scores:
        among, asked = await embedder.embed(notes), await embedder.embed(queries)
        return [[sum(map(float.__mul__, query, note)) for note in among] for query in asked]

    return search


async def by_words(notes: Sequence[str], queries: Sequence[str]) -> Scores:
    """Search by BM25, the lexical baseline: stems, without the words that every text has (k1 = 1.2, b = 0.75)."""
    bags = [Counter(stems(note)) for note in notes]
    spread = Counter(stem for bag in bags for stem in bag)
    usual = sum(bag.total() for bag in bags) / len(bags)
    worth = {stem: math.log(1 + (len(bags) - n + 0.5) / (n + 0.5)) for stem, n in spread.items()}

    def score(bag: Counter[str], asked: set[str]) -> float:
        length = 0.25 + 0.75 * bag.total() / usual
        return sum(worth[stem] * bag[stem] * 2.2 / (bag[stem] + 1.2 * length) for stem in asked & bag.keys())

    return [[score(bag, set(stems(query))) for bag in bags] for query in queries]


def stems(text: str) -> list[str]:
    """Return the words of a text but for the common ones, without their endings, crudely."""
    return [_stem(word) for word in re.findall(r"[\w']+", text.lower()) if word not in _COMMON]


def _stem(word: str) -> str:
    fitting = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return next((stem for stem in fitting if len(stem) >= _MIN_STEM), word)
