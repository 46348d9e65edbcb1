"""Whether this process may call real models; asked at the doors of all that do."""

from collections.abc import Generator
from contextlib import contextmanager

from towpath.errors import ConfigurationError
from towpath.settings import NO_REAL_MODELS, real_models_refused

_refusals: list[str] = []


@contextmanager
def refusing_real_models(why: str) -> Generator[None]:
    """Refuse calls of real models, everywhere in this process, until the end of the block; `why` says what to do."""
    _refusals.append(why)
    try:
        yield
    finally:
        _refusals.remove(why)


def check_real_models_allowed(model: str) -> None:
    """Pass where `model` may be called.

    Raises:
        ConfigurationError: If no real model may.
    """
    if _refusals:
        raise ConfigurationError(f"{model} is a real model, and {_refusals[-1]}")
    if real_models_refused():
        raise ConfigurationError(
            f"{model} is a real model, and {NO_REAL_MODELS} is set; have a script stand in for it"
        )
