"""What all decorators share: how a callable becomes a registered component, and where that is noted on it."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, TypeVar

from towpath.annotations import name_of
from towpath.components import REGISTRY, Component
from towpath.errors import ConfigurationError, RegistrationError
from towpath.retry import RetryPolicy
from towpath.retry_spellings import Retries, policy_of
from towpath.spans import MILLISECOND_S, lasting_s
from towpath.streaming import yields

MARK = "_towpath_component"
"""Attribute under which a decorated callable carries its `Component`."""

_MAX_NAME_CHARS = 256

Decorated = TypeVar("Decorated", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Documentation:
    """What a docstring says.

    Attributes:
        parameters: What each parameter means, by name.
    """

    summary: str
    parameters: Mapping[str, str]


def documentation_of(function: Callable[..., Any]) -> Documentation:
    """Read the docstring of `function`: Google, NumPy or reST style."""
    text = inspect.getdoc(function) or ""
    if "\n" not in text:
        return Documentation(text, {})
    from docstring_parser import parse  # noqa: PLC0415 - most programs start without needing it

    described = {one.arg_name: one.description or "" for one in parse(text).params}
    summary = " ".join(text.partition("\n\n")[0].split())
    return Documentation(summary, {name: " ".join(said.split()) for name, said in described.items()})


def register(function: Decorated, component: Component) -> Decorated:
    """Register `component` and note it on the callable it was made of."""
    REGISTRY.add(component)
    note(function, **{MARK: component})
    return function


def note(function: Callable[..., Any], **notes: Any) -> None:
    """Note something on a callable; one that has no place for notes, such as a bound method, is known by name only."""
    with suppress(AttributeError):
        for name, value in notes.items():
            setattr(function, name, value)


def component_of(definition: object) -> Component | None:
    """Return the component that a decorated callable, a tool or an agent defines, if it does."""
    component = getattr(definition, MARK, None)
    return component if isinstance(component, Component) else None


def check_name(name: object) -> None:
    """Refuse what no component can be called by.

    Raises:
        RegistrationError: If it is no text, empty, or too long.
    """
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME_CHARS:
        raise RegistrationError(f"a name is text of 1 to {_MAX_NAME_CHARS} characters, not {name!r}")


def check_no_stream(function: Callable[..., Any]) -> None:
    """Refuse generators.

    Raises:
        RegistrationError: If `function` is one.
    """
    if yields(function):
        raise RegistrationError(f"{name_of(function)} yields; only functions stream, return a list instead")


def time_limit(timeout_ms: float | None) -> float | None:
    """Read a time limit, and return it in seconds.

    Raises:
        RegistrationError: If it is no time that anything could take.
    """
    if timeout_ms is None:
        return None
    limit_s = 0.0
    with suppress(ConfigurationError):
        limit_s = lasting_s("timeout_ms", timeout_ms, MILLISECOND_S)
    if limit_s == 0:
        raise RegistrationError(
            f"timeout_ms={shortened(timeout_ms)}: give the milliseconds an attempt may take, over 0 and no more than a "
            "century, or a timedelta"
        )
    return limit_s


def retry_policy(
    retries: Retries | None,
    backoff: str | Mapping[str, Any] | None,
) -> RetryPolicy:
    """Read the retry policy of a component; see `policy_of`.

    Raises:
        RegistrationError: If a value is out of range or a name unknown; the message names it.
    """
    try:
        return policy_of(retries, backoff)
    except ConfigurationError as error:
        raise RegistrationError(str(error)) from error
