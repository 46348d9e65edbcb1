"""Embedding models by name: `provider/model`, resolved to the one module that knows that provider."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from towpath.embeddings.port import Embedder
from towpath.errors import ConfigurationError
from towpath.settings import default_embedder

OFFLINE = "offline/static-256"
"""The model of those that name none: it is a part of this package, and needs no network, key or server."""


@contextmanager
def _extra(name: str) -> Generator[None]:
    """Say what to install where a library is missing."""
    try:
        yield
    except ImportError as error:
        raise ConfigurationError(f"{error}; install towpath[{name}]") from error


def _azure(name: str) -> Embedder:
    with _extra("openai"):
        from towpath.embeddings.openai import OpenAIEmbedder  # noqa: PLC0415 - as for openai
    return OpenAIEmbedder.named(name, provider="azure")


def _minilm(name: str) -> Embedder:
    with _extra("minilm"):
        from towpath.embeddings.minilm import minilm  # noqa: PLC0415 - numpy takes a tenth of a second to import
    return minilm(name)


def _offline(name: str) -> Embedder:
    from towpath.embeddings.static_table import offline  # noqa: PLC0415 - most programs embed nothing

    return offline(name)


def _openai(name: str) -> Embedder:
    with _extra("openai"):
        from towpath.embeddings.openai import OpenAIEmbedder  # noqa: PLC0415 - takes a second to import
    return OpenAIEmbedder.named(name)


def _test(name: str) -> Embedder:
    from towpath.embeddings.hashed import hashed  # noqa: PLC0415 - most programs have no use for it

    return hashed(name)


PROVIDERS: Mapping[str, Callable[[str], Embedder]] = MappingProxyType(
    {"azure": _azure, "minilm": _minilm, "offline": _offline, "openai": _openai, "test": _test}
)
"""How an embedder of each provider is made, given its name without the provider."""


def embedder(name_or_object: str | Embedder | None = None) -> Embedder:
    """Find the embedding model that is named; None is the default one, and an embedder is itself.

    The default is what TOWPATH_DEFAULT_EMBEDDER names, or else `offline/static-256`.

    Raises:
        ConfigurationError: If there is no such model, or it is not set up.
    """
    if name_or_object is not None and not isinstance(name_or_object, str):
        return name_or_object
    written = name_or_object or default_embedder() or OFFLINE
    provider, _, name = written.partition("/")
    make = PROVIDERS.get(provider)
    if make is None or not name:
        known = ", ".join(f"{one}/..." for one in PROVIDERS)
        raise ConfigurationError(f"no embedding model {written!r} is known; name one as one of {known}")
    return make(name)
