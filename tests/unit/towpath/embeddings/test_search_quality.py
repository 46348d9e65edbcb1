"""The offline model finds more of what is meant than words alone do, on notes that an agent may have kept."""

from collections import Counter
from pathlib import Path

import pytest

from towpath.embeddings import embedder
from towpath_testkit.search_quality import LabelledSet, by_vectors, by_words, read_labelled_set, recall, stems

FOLDER = Path(__file__).parents[3] / "data" / "search_quality"


@pytest.fixture(scope="module")
def labelled() -> LabelledSet:
    return read_labelled_set(FOLDER)


def test_the_set_is_large_enough_and_half_of_it_shares_no_words(labelled: LabelledSet) -> None:
    kinds = Counter(query.kind for query in labelled.queries)

    assert len(set(labelled.notes)) >= 200
    assert kinds["paraphrase"] + kinds["wording"] == len(labelled.queries) >= 80
    assert kinds["paraphrase"] >= len(labelled.queries) / 2
    for query in labelled.queries:
        shared = {stem for answer in query.answers for stem in stems(labelled.notes[answer])} & {
            *stems(query.text)
        }
        assert bool(shared) == (query.kind == "wording"), query.text


async def test_the_offline_model_finds_more_than_bm25(labelled: LabelledSet) -> None:
    offline = await labelled.places(by_vectors(embedder("offline/static-256")))
    lexical = await labelled.places(by_words)

    assert recall(offline, 5) > 0.75
    assert recall(offline, 5) > recall(lexical, 5) + 0.2
    assert recall(offline, 1) > recall(lexical, 1)


async def test_it_finds_most_paraphrases_where_words_find_nothing(labelled: LabelledSet) -> None:
    paraphrases = labelled.of_kind("paraphrase")

    offline = await paraphrases.places(by_vectors(embedder("offline/static-256")))
    lexical = await paraphrases.places(by_words)

    assert recall(offline, 5) > 0.6
    assert recall(lexical, 5) < 0.1


async def test_it_finds_what_has_the_same_words_as_well_as_bm25_does(labelled: LabelledSet) -> None:
    same_words = labelled.of_kind("wording")

    offline = await same_words.places(by_vectors(embedder("offline/static-256")))
    lexical = await same_words.places(by_words)

    assert recall(offline, 5) >= recall(lexical, 5) - 0.05
    assert recall(offline, 5) > 0.9
