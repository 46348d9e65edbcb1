"""Which embedding model memories are made with, and making their vectors."""

from collections.abc import Sequence
from typing import NamedTuple

from towpath.embeddings import embedder
from towpath.embeddings.port import Embedder
from towpath_schemas.memory import Embedding, MemoryAsked, vector_text

_given: dict[str, Embedder] = {}
"""Embedders that programs have made themselves, by name: what is written down of a model is its name only."""


class Meaning(NamedTuple):
    """By what memories are found.

    Attributes:
        model: The embedding model's name.
        hybrid: Whether they are found by their words, too.
    """

    model: str
    hybrid: bool = False


def name_of_model(model: str | Embedder | None) -> str | None:
    """Tell the name of an embedding model; one that is an object is known by it in this process from now on."""
    if model is None or isinstance(model, str):
        return model
    _given[model.name] = model
    return model.name


def default_model() -> str:
    """Tell the name of the embedding model of those that name none."""
    return embedder().name


async def embedded(model: str, text: str) -> Embedding:
    """Make the vector of a text.

    Raises:
        ConfigurationError: If there is no such model, or it is not set up.
        InvalidInputError: If there is nothing in the text.
        ModelError: If the provider refused or failed.
    """
    (vector,) = await (_given.get(model) or embedder(model)).embed([text])
    return Embedding(model=model, vector=vector_text(vector))


async def with_vectors(asked: Sequence[MemoryAsked], meaning: Meaning | None) -> list[MemoryAsked]:
    """Give each question the vector of its text; questions of one text share it."""
    if meaning is None:
        return [*asked]
    made = {text: await embedded(meaning.model, text) for text in {one.text for one in asked}}
    return [_meant(one, made[one.text], hybrid=meaning.hybrid) for one in asked]


def _meant(asked: MemoryAsked, embedding: Embedding, *, hybrid: bool) -> MemoryAsked:
    said = {"vector": embedding.vector, "model": embedding.model, "hybrid": hybrid}
    return asked.model_copy(update=said)
