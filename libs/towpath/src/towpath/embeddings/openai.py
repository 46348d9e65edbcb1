"""Embedding models of OpenAI and Azure, and of all servers that speak as they do."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self

from openai.types import CreateEmbeddingResponse

from towpath.embeddings.port import Vector, embeddable, unit
from towpath.errors import ConfigurationError
from towpath.models.openai.clients import client_of, timeout_of
from towpath.models.openai.failures import failures_of
from towpath.models.port import DEFAULT_MODEL_RETRY
from towpath.models.providers import Access
from towpath.retry import RetryPolicy, attempted

_FULL = {"text-embedding-3-small": 1_536, "text-embedding-3-large": 3_072, "text-embedding-ada-002": 1_536}
_MAX_TEXTS = 512
_MAX_BYTES = 250_000  # a request may have 300,000 tokens, and no token is shorter than a byte
_ANSWERS = "a list of embeddings"


class OpenAIEmbedder:
    """`openai/<model>` or `azure/<deployment>`, with `@<dimensions>` behind it where that is not what the model is known for.

    Args:
        model: The model's name at the provider; at Azure, the deployment's.
        dimensions: Numbers in each vector. OpenAI's newer models are asked to shorten theirs; of a model that is not
            known here it says how many it has.
        base_url: Where the server is; `OPENAI_BASE_URL` or OpenAI's own if not given, `AZURE_OPENAI_ENDPOINT` for Azure.
        api_key: The key; `OPENAI_API_KEY` or `AZURE_OPENAI_API_KEY` if not given.
        provider: `openai` or `azure`.
        retry: How often each request is tried where the failure says that trying again may help.

    Raises:
        ConfigurationError: If it is not known how many dimensions the model has.
    """

    def __init__(
        self,
        model: str,
        *,
        dimensions: int | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        provider: Literal["openai", "azure"] = "openai",
        retry: RetryPolicy = DEFAULT_MODEL_RETRY,
    ) -> None:
        self._model = model
        self._access = Access(provider, base_url, api_key)
        self._dimensions = dimensions or self._known_dimensions()
        self._retry = retry

    @classmethod
    def named(cls, name: str, *, provider: Literal["openai", "azure"] = "openai") -> Self:
        """Make the embedder of a name without its provider: `<model>` or `<model>@<dimensions>`.

        Raises:
            ConfigurationError: If what is behind the `@` is no number above 0, or nothing is and it must be.
        """
        model, at, written = name.rpartition("@")
        if not at:
            return cls(name, provider=provider)
        if not written.isdecimal() or int(written) == 0:
            raise ConfigurationError(f"{provider}/{name}: {written!r} is no number of dimensions")
        return cls(model, dimensions=int(written), provider=provider)

    @property
    def name(self) -> str:
        """`<provider>/<model>`, or `<provider>/<model>@<dimensions>`."""
        plain = f"{self._access.provider}/{self._model}"
        return plain if self._dimensions == _FULL.get(self._model) else f"{plain}@{self._dimensions}"

    @property
    def dimensions(self) -> int:
        """Numbers in each vector."""
        return self._dimensions

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self.name!r})"

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Return the vectors of `texts`, asking as often as they need and as the retry policy allows; see `Embedder`.

        Raises:
            ConfigurationError: If there is no key, or the model has other dimensions.
        """
        batches = _batches(embeddable(texts))
        return [vector for batch in batches for vector in await self._embedded(batch)]

    async def _embedded(self, batch: list[str]) -> list[Vector]:
        async def once(_attempt: int) -> list[Vector]:
            return await self._asked(batch)

        done = await attempted(once, self._retry)
        if done.error is not None:
            raise done.error
        return done.value

    async def _asked(self, batch: list[str]) -> list[Vector]:
        server = self._access.server()
        client = await client_of(server, self.name)
        async with failures_of(self.name, server, answers=_ANSWERS):
            answer = await client.embeddings.create(
                model=self._model, input=batch, timeout=timeout_of(None), **self._shortened()
            )
            return self._read(answer, len(batch))

    def _shortened(self) -> dict[str, Any]:
        full = _FULL.get(self._model)
        return {} if full in (None, self._dimensions) else {"dimensions": self._dimensions}

    def _read(self, answer: CreateEmbeddingResponse, asked: int) -> list[Vector]:
        found = sorted(answer.data, key=lambda one: one.index)
        if [one.index for one in found] != list(range(asked)):
            raise ValueError(f"{len(found)} embeddings for {asked} texts")
        sizes = {len(one.embedding) for one in found} - {self._dimensions}
        if sizes:
            plain = f"{self._access.provider}/{self._model}"
            raise ConfigurationError(
                f"{plain} has vectors of {min(sizes)} dimensions, not {self._dimensions}; name it {plain}@{min(sizes)}"
            )
        return [unit(one.embedding) for one in found]

    def _known_dimensions(self) -> int:
        known = _FULL.get(self._model)
        if known is None:
            plain = f"{self._access.provider}/{self._model}"
            raise ConfigurationError(
                f"it is not known how many dimensions {plain} has; name it {plain}@<dimensions>"
            )
        return known


def _batches(texts: Sequence[str]) -> Iterator[list[str]]:
    """Divide texts into requests that a provider takes; a text that is too long for that is one by itself."""
    batch: list[str] = []
    size = 0
    for text in texts:
        more = len(text.encode())
        if batch and (len(batch) == _MAX_TEXTS or size + more > _MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += more
    if batch:
        yield batch
