"""The offline model: one small vector for each token, distilled from MiniLM; the vector of a text is their mean.

How the table was made is told in `towpath_testkit.distilling`. It has a row for each token of `vocabulary.txt`: its
weight as 16 bits, little-endian, and 256 numbers of 4 bits, two to a byte. It is mapped, not read, so that processes
share it, and it is added up in integers, so that a text has the very same vector on every machine. Plain Python does
that in a tenth of a millisecond for a sentence; numpy would need a quarter of that, and more to be imported than all of
`towpath`.
"""

import asyncio
import mmap
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from struct import Struct

from towpath.embeddings.port import Vector, embeddable, unit
from towpath.embeddings.word_piece import UNKNOWN, WordPiece
from towpath.errors import ConfigurationError

DIMENSIONS = 256
WEIGHT_BYTES = 2
ROW_BYTES = WEIGHT_BYTES + DIMENSIONS // 2
MIDDLE = 7.5
"""What a number of 4 bits, 0 to 15, means is its distance from this."""

FOLDER = Path(__file__).with_name("static_256")
VOCABULARY = "vocabulary.txt"
TABLE = "table.bin"

_MODEL = "static-256"
_LANES = Struct(f"<{DIMENSIONS}Q")
_LANE_BYTES = 8
_LOWER = bytes(byte & 15 for byte in range(256))
_UPPER = bytes(byte >> 4 for byte in range(256))


class StaticTable:
    """`offline/static-256`: needs no network, key or server; made for English.

    The order of words does not count, and "not" hardly does.
    """

    @property
    def name(self) -> str:
        """`offline/static-256`."""
        return f"offline/{_MODEL}"

    @property
    def dimensions(self) -> int:
        """256."""
        return DIMENSIONS

    def __repr__(self) -> str:
        return "StaticTable()"

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`; see `Embedder`."""
        vectors: list[Vector] = []
        for text in embeddable(texts):
            if vectors:
                await asyncio.sleep(0)  # others may have something to do, too
            vectors.append(vector_of(text))
        return vectors


def vector_of(text: str) -> Vector:
    """Return the vector of one text; one without any token that is known is as an unknown word."""
    word_piece, table = _loaded()
    tokens = word_piece.numbers(text) or [word_piece.number(UNKNOWN)]
    return unit(weighted_sum(table[token * ROW_BYTES : (token + 1) * ROW_BYTES] for token in tokens))


def weighted_sum(rows: Iterable[bytes]) -> Iterable[float]:
    """Add up weighted rows: a row as one large integer, with a lane of 64 bits for each of its numbers."""
    total, weights = 0, 0
    lanes = bytearray(DIMENSIONS * _LANE_BYTES)
    half = len(lanes) // 2
    for row in rows:
        weight, codes = int.from_bytes(row[:WEIGHT_BYTES], "little"), row[WEIGHT_BYTES:]
        lanes[:half:_LANE_BYTES], lanes[half::_LANE_BYTES] = codes.translate(_LOWER), codes.translate(_UPPER)
        total += weight * int.from_bytes(lanes, "little")
        weights += weight
    middle = MIDDLE * weights
    return (lane - middle for lane in _LANES.unpack(total.to_bytes(len(lanes), "little")))


@cache
def _loaded() -> tuple[WordPiece, mmap.mmap]:
    vocabulary = (FOLDER / VOCABULARY).read_text(encoding="utf-8").splitlines()
    with (FOLDER / TABLE).open("rb") as table:
        return WordPiece(vocabulary), mmap.mmap(table.fileno(), 0, access=mmap.ACCESS_READ)


def offline(name: str) -> StaticTable:
    """Find `offline/<name>`.

    Raises:
        ConfigurationError: If it is another than `offline/static-256`.
    """
    if name != _MODEL:
        raise ConfigurationError(f"no embedding model offline/{name} is known; there is offline/{_MODEL}")
    return StaticTable()
