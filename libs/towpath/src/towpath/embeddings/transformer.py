"""A BERT encoder on numpy: from tokens to one vector for each text."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Tensors = Mapping[str, Floats]
"""The weights, by the names that BERT's own checkpoints give them."""

_MASKED = np.float32(-1e9)


class _Linear(NamedTuple):
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        rows = x.reshape(-1, x.shape[-1])  # one large product is many times faster than one for each text
        return (rows @ self.weight + self.bias).reshape(*x.shape[:-1], -1)


class _Norm(NamedTuple):
    weight: Floats
    bias: Floats

    def __call__(self, x: Floats) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-12) * self.weight + self.bias


class _Layer(NamedTuple):
    attended: _Linear
    """Queries, keys and values, side by side."""
    mixed: _Linear
    after_attention: _Norm
    widened: _Linear
    narrowed: _Linear
    after_all: _Norm

    def __call__(self, x: Floats, hidden: Floats, heads: int) -> Floats:
        """Pass on the states `x` (texts, tokens, width); `hidden` is added to what nobody may attend to."""
        x = self.after_attention(x + self.mixed(_attention(self.attended(x), hidden, heads)))
        return self.after_all(x + self.narrowed(_gelu(self.widened(x))))


class Encoder:
    """The encoder of a BERT model.

    Args:
        tensors: The weights.
        layers: How many layers it has.
        heads: How many heads attend in each layer.

    Raises:
        KeyError: If a tensor is missing.
    """

    def __init__(self, tensors: Tensors, *, layers: int, heads: int) -> None:
        self._heads = heads
        self._words = tensors["embeddings.word_embeddings.weight"]
        kinds = tensors["embeddings.token_type_embeddings.weight"]
        self._places = tensors["embeddings.position_embeddings.weight"] + kinds[0]
        self._first = _norm(tensors, "embeddings.LayerNorm")
        self._layers = [_layer(tensors, f"encoder.layer.{number}.") for number in range(layers)]

    @property
    def dimensions(self) -> int:
        """The width of its states, and of a text's vector."""
        return self._words.shape[1]

    def states(self, texts: Sequence[Sequence[int]]) -> tuple[Floats, Floats]:
        """Read texts that are given as numbers of tokens, all at once.

        Returns:
            The last states (texts, tokens, width), and (texts, tokens) with 1 where there is a token, or else 0.
        """
        tokens, there = _padded(texts)
        x = self._first(self._words[tokens] + self._places[: tokens.shape[1]])
        hidden = ((1 - there) * _MASKED)[:, None, None, :]
        for layer in self._layers:
            x = layer(x, hidden, self._heads)
        return x, there

    def encode(self, texts: Sequence[Sequence[int]]) -> Floats:
        """Return the unit vectors (texts, width) of texts: the mean of their tokens' states."""
        states, there = self.states(texts)
        total = (states * there[:, :, None]).sum(1)
        return total / np.linalg.norm(total, axis=1, keepdims=True)


def _padded(texts: Sequence[Sequence[int]]) -> tuple[NDArray[np.int64], Floats]:
    """Bring texts to one length; return the tokens, and 1 where there is one."""
    shape = len(texts), max(map(len, texts))
    tokens, there = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    for row, text in enumerate(texts):
        tokens[row, : len(text)], there[row, : len(text)] = text, 1
    return tokens, there


def _attention(attended: Floats, hidden: Floats, heads: int) -> Floats:
    texts, tokens, width = attended.shape
    by_head = attended.reshape(texts, tokens, 3, heads, width // 3 // heads).transpose(2, 0, 3, 1, 4)
    queries, keys, values = by_head
    scores = queries @ keys.swapaxes(2, 3) * np.float32(queries.shape[-1] ** -0.5) + hidden
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    return (shares @ values).transpose(0, 2, 1, 3).reshape(texts, tokens, width // 3)


def _gelu(x: Floats) -> Floats:
    return x * np.float32(0.5) * (1 + _erf(x * np.float32(2**-0.5)))


def _erf(x: Floats) -> Floats:
    """Approximate the error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    size = np.abs(x)
    t = 1 / (1 + np.float32(0.3275911) * size)
    series = np.zeros_like(t)
    for factor in (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592):
        series = (series + np.float32(factor)) * t
    return np.copysign(1 - series * np.exp(-(size**2)), x)


def _layer(tensors: Tensors, prefix: str) -> _Layer:
    parts = [_linear(tensors, f"{prefix}attention.self.{part}") for part in ("query", "key", "value")]
    return _Layer(
        attended=_Linear(
            np.concatenate([part.weight for part in parts], axis=1),
            np.concatenate([part.bias for part in parts]),
        ),
        mixed=_linear(tensors, f"{prefix}attention.output.dense"),
        after_attention=_norm(tensors, f"{prefix}attention.output.LayerNorm"),
        widened=_linear(tensors, f"{prefix}intermediate.dense"),
        narrowed=_linear(tensors, f"{prefix}output.dense"),
        after_all=_norm(tensors, f"{prefix}output.LayerNorm"),
    )


def _linear(tensors: Tensors, name: str) -> _Linear:
    return _Linear(np.ascontiguousarray(tensors[f"{name}.weight"].T), tensors[f"{name}.bias"])


def _norm(tensors: Tensors, name: str) -> _Norm:
    return _Norm(tensors[f"{name}.weight"], tensors[f"{name}.bias"])
