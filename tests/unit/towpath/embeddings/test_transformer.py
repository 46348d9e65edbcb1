"""The transformer on numpy, against one in plain Python that follows the formulas number by number."""

import math
import random

import numpy as np
import pytest

from towpath.embeddings.minilm import Model
from towpath.embeddings.transformer import Encoder, Tensors

WIDTH, HEADS, LAYERS, WIDE = 8, 2, 2, 16
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "b", "c", "##d"]

Rows = list[list[float]]


def shapes() -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(VOCABULARY), WIDTH),
        "embeddings.position_embeddings.weight": (300, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        "embeddings.LayerNorm.weight": (WIDTH,),
        "embeddings.LayerNorm.bias": (WIDTH,),
    }
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        linear = {f"attention.self.{part}": (WIDTH, WIDTH) for part in ("query", "key", "value")}
        linear |= {"attention.output.dense": (WIDTH, WIDTH), "intermediate.dense": (WIDE, WIDTH)}
        linear |= {"output.dense": (WIDTH, WIDE)}
        for name, shape in linear.items():
            found |= {f"{prefix}{name}.weight": shape, f"{prefix}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found |= {f"{prefix}{name}.weight": (WIDTH,), f"{prefix}{name}.bias": (WIDTH,)}
    return found


def made() -> Tensors:
    chance = random.Random(5)  # noqa: S311 - any weights do
    return {
        name: np.array([chance.gauss(0, 0.7) for _ in range(math.prod(shape))], np.float32).reshape(shape)
        for name, shape in shapes().items()
    }


class Naive:
    """The formulas of BERT, in plain Python."""

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = {name: tensor.tolist() for name, tensor in tensors.items()}

    def vector(self, tokens: list[int]) -> list[float]:
        words, places, kinds = (
            self._tensors[f"embeddings.{name}_embeddings.weight"]
            for name in ("word", "position", "token_type")
        )
        x = [
            [w + p + k for w, p, k in zip(words[token], places[place], kinds[0], strict=True)]
            for place, token in enumerate(tokens)
        ]
        x = self._norm("embeddings.LayerNorm", x)
        for layer in range(LAYERS):
            x = self._layer(f"encoder.layer.{layer}.", x)
        mean = [sum(column) / len(x) for column in zip(*x, strict=True)]
        return [one / math.hypot(*mean) for one in mean]

    def _layer(self, prefix: str, x: Rows) -> Rows:
        mixed = self._linear(f"{prefix}attention.output.dense", self._attention(prefix, x))
        x = self._norm(f"{prefix}attention.output.LayerNorm", add(x, mixed))
        wide = [
            [n * 0.5 * (1 + math.erf(n / math.sqrt(2))) for n in row]
            for row in self._linear(f"{prefix}intermediate.dense", x)
        ]
        return self._norm(f"{prefix}output.LayerNorm", add(x, self._linear(f"{prefix}output.dense", wide)))

    def _attention(self, prefix: str, x: Rows) -> Rows:
        queries, keys, values = (
            self._linear(f"{prefix}attention.self.{part}", x) for part in ("query", "key", "value")
        )
        size = WIDTH // HEADS
        out: Rows = [[] for _ in x]
        for part in (slice(head * size, (head + 1) * size) for head in range(HEADS)):
            for row, query in zip(out, queries, strict=True):
                scores = [math.exp(dot(query[part], key[part]) / math.sqrt(size)) for key in keys]
                columns = zip(*(value[part] for value in values), strict=True)
                row.extend(dot(scores, list(column)) / sum(scores) for column in columns)
        return out

    def _linear(self, name: str, x: Rows) -> Rows:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return [[dot(row, one) + b for one, b in zip(weight, bias, strict=True)] for row in x]

    def _norm(self, name: str, x: Rows) -> Rows:
        weight, bias = self._tensors[f"{name}.weight"], self._tensors[f"{name}.bias"]
        return [
            [
                (n - mean) / math.sqrt(spread + 1e-12) * w + b
                for n, w, b in zip(row, weight, bias, strict=True)
            ]
            for row in x
            for mean in (sum(row) / len(row),)
            for spread in (sum((n - mean) ** 2 for n in row) / len(row),)
        ]


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def add(one: Rows, other: Rows) -> Rows:
    return [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(one, other, strict=True)]


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder(made(), layers=LAYERS, heads=HEADS)


@pytest.mark.parametrize("tokens", [[2, 3], [2, 4, 3], [2, 4, 5, 6, 7, 4, 3]], ids=len)
def test_it_computes_what_the_formulas_say(encoder: Encoder, tokens: list[int]) -> None:
    found = encoder.encode([tokens])[0].tolist()

    assert found == pytest.approx(Naive(made()).vector(tokens), abs=1e-5)


def test_a_text_has_the_same_vector_beside_longer_ones(encoder: Encoder) -> None:
    texts = [[2, 4, 3], [2, 5, 6, 7, 4, 3], [2, 3]]

    together = encoder.encode(texts)

    alone = np.concatenate([encoder.encode([text]) for text in texts])
    assert together == pytest.approx(alone, abs=1e-5)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1)


def test_texts_come_back_in_their_order_however_many_there_are(encoder: Encoder) -> None:
    model = Model(encoder, VOCABULARY)
    texts = [[4] * (number % 7) for number in range(100)]

    found = model.vectors(texts)

    for text, vector in zip(texts, found, strict=True):
        assert vector == pytest.approx(encoder.encode([[2, *text, 3]])[0], abs=1e-5)


def test_what_the_model_cannot_read_is_dropped(encoder: Encoder) -> None:
    surrounded = Model(encoder, VOCABULARY).surrounded([4] * 1_000)

    assert len(surrounded) == 256
    assert (surrounded[0], surrounded[-1]) == (2, 3)
