"""Parameters of an agent that were not given, and those that have two names."""

from typing import Any, Final, TypeVar

Value = TypeVar("Value")


class Default:
    """The value of a parameter that was not given, where None means something."""

    def __repr__(self) -> str:
        return "<default>"


DEFAULT: Final[Any] = Default()


def one_of(**names: Value | None) -> Value | None:
    """Return what was given under one of two names of the same thing.

    Raises:
        TypeError: If both were given.
    """
    given = {name: value for name, value in names.items() if value is not None}
    if len(given) > 1:
        raise TypeError(f"{' and '.join(given)} are two names of one thing; give one of them")
    return next(iter(given.values()), None)
