"""The parameters of an agent that have two names, and those that are not supported yet."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar

from towpath.errors import ConfigurationError

Value = TypeVar("Value")


class ConcurrentInvocationMode(StrEnum):
    """What a second conversation with an agent that is speaking meets."""

    THROW = "throw"
    QUEUE = "queue"


class Default:
    """The value of a parameter that was not given, where None means something."""

    def __repr__(self) -> str:
        return "<default>"


DEFAULT = Default()


def one_of(**names: Value | None) -> Value | None:
    """Return what was given under one of two names of the same thing.

    Raises:
        TypeError: If both were given.
    """
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"{' and '.join(given)} are two names of one thing; give one of them")
    return next(iter(given.values()), None)


def refuse_unsupported(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> None:
    """Refuse parameters that would have no effect.

    Raises:
        ConfigurationError: If one of them is not at its default.
    """
    for name, value in given.items():
        if value is not defaults.get(name) and value is not None:
            raise ConfigurationError(f"Agent({name}=...) is not supported yet; leave it out")
