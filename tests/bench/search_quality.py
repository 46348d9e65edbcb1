"""How well, and how fast, the embedding models find notes: `python tests/bench/search_quality.py`.

Recall on the labelled set of tests/data/search_quality, with BM25 as the lexical baseline, and the time that one text
takes: of all notes embedded at once, and of one note alone. MiniLM is measured where TOWPATH_MINILM names its weights.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from towpath.embeddings import embedder
from towpath.embeddings.port import Embedder
from towpath.settings import minilm_weights
from towpath_testkit.search_quality import (
    LabelledSet,
    Searcher,
    by_vectors,
    by_words,
    read_labelled_set,
    recall,
)

FOLDER = Path(__file__).parents[1] / "data" / "search_quality"
ROUNDS = 5
ALONE = 50


async def best_s(work: Callable[[], Awaitable[object]]) -> float:
    """Tell the CPU seconds of the best of some rounds, the first of which loads the model."""
    seconds: list[float] = []
    for _ in range(ROUNDS):
        began = time.process_time()
        await work()
        seconds.append(time.process_time() - began)
    return min(seconds)


async def times(model: Embedder, notes: tuple[str, ...]) -> str:
    """Measure an embedder."""

    async def alone() -> None:
        for note in notes[:ALONE]:
            await model.embed([note])

    together_s = await best_s(lambda: model.embed(notes)) / len(notes)
    alone_s = await best_s(alone) / ALONE
    return f"   {together_s * 1e6:8,.0f} us together {alone_s * 1e6:8,.0f} us alone"


async def quality(labelled: LabelledSet, search: Searcher) -> str:
    """Measure a way to search, on all queries and on each kind."""
    parts = [labelled, labelled.of_kind("wording"), labelled.of_kind("paraphrase")]
    found = [await part.places(search) for part in parts]
    return "".join(f"{recall(places, 1):9.2f} {recall(places, 5):6.2f}" for places in found)


async def main() -> None:
    labelled = read_labelled_set(FOLDER)
    names = ["test/words", "offline/static-256", *(["minilm/all-MiniLM-L6-v2"] if minilm_weights() else [])]
    sys.stdout.write(
        f"{len(labelled.notes)} notes, {len(labelled.queries)} queries: recall@1 and @5, and CPU\n"
    )
    sys.stdout.write(f"{'':26}{'all':>13}{'same words':>18}{'paraphrase':>16}\n")
    sys.stdout.write(f"{'BM25':26}{await quality(labelled, by_words)}\n")
    for name in names:
        model = embedder(name)
        found = await quality(labelled, by_vectors(model))
        sys.stdout.write(f"{name:26}{found}{await times(model, labelled.notes)}\n")


if __name__ == "__main__":
    asyncio.run(main())
