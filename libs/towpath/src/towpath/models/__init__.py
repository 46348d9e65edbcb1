"""Language models by name: `provider/model`, resolved to the one module that may talk to that provider."""

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Literal

from towpath.errors import ConfigurationError
from towpath.models.port import LanguageModel
from towpath.models.providers import PROVIDERS as _PROVIDERS
from towpath.settings import DEFAULT_MODEL, default_model


def _openai(name: str, *, provider: str, api: Literal["chat", "responses"] = "chat") -> LanguageModel:
    try:
        from towpath.models.openai import OpenAIModel  # noqa: PLC0415 - its library takes a second to import
    except ImportError as error:
        raise ConfigurationError(f"{error}; install towpath[openai]") from error
    return OpenAIModel(name, provider=provider, api=api)


def _test(name: str) -> LanguageModel:
    from towpath.models.scripted import scripted_model  # noqa: PLC0415 - most programs have no use for it

    return scripted_model(name)


PROVIDERS: Mapping[str, Callable[[str], LanguageModel]] = MappingProxyType(
    {
        **{name: partial(_openai, provider=name) for name in _PROVIDERS},
        **{
            f"{name}-responses": partial(_openai, provider=name, api="responses")
            for name, about in _PROVIDERS.items()
            if about.responses
        },
        "test": _test,
    }
)
"""How a model of each provider, and style, is made, given its name without the provider."""

Double = Callable[[str], LanguageModel | None]
"""Gives what stands in for the model `provider/name`; None if nothing does."""

_doubles: list[Double] = []


@contextmanager
def standing_in(double: Double) -> Generator[None]:
    """Have `double` asked first for each model by its name, everywhere in this process: `towpath.testing` does so."""
    _doubles.append(double)
    try:
        yield
    finally:
        _doubles.remove(double)


def resolve(model: str | LanguageModel | None = None) -> LanguageModel:
    """Find the model that `model` names; None is the default model, and a model is itself.

    Raises:
        ConfigurationError: If its provider is not known, or there is no default.
    """
    if model is not None and not isinstance(model, str):
        return model
    provider, name = _parts(model or _default("no model was named"))
    if provider is None:
        provider, _ = _parts(_default(f"the model {name!r} names no provider"))
    make = PROVIDERS.get(provider or "")
    if make is None:
        known = ", ".join(f"{one}/..." for one in (*_PROVIDERS, "test"))
        raise ConfigurationError(f"no model provider {provider!r} is known; name a model as one of {known}")
    found = (double(f"{provider}/{name}") for double in reversed(_doubles))
    return next((one for one in found if one is not None), None) or make(name)


def _parts(model: str) -> tuple[str | None, str]:
    provider, slash, name = model.partition("/")
    return (provider, name) if slash else (None, model)


def _default(why: str) -> str:
    model = default_model()
    if model is None:
        raise ConfigurationError(
            f"{why}; name it as provider/model, such as openai/gpt-4o-mini, or set {DEFAULT_MODEL}"
        )
    return model
