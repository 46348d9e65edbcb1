"""What all decorators share: how a callable becomes a registered component, and where that is noted on it."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from towpath.annotations import name_of
from towpath.components import REGISTRY, Component
from towpath.errors import RegistrationError
from towpath.retry import RetryPolicy
from towpath.streaming import yields
from towpath.values import path_text

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
    if not timeout_ms > 0:
        raise RegistrationError(
            f"timeout_ms={timeout_ms!r}: give the milliseconds an attempt may take, over 0"
        )
    return timeout_ms / 1_000


def retry_policy(
    retries: int | Mapping[str, Any] | RetryPolicy | None,
    backoff: str | Mapping[str, Any] | None,
) -> RetryPolicy:
    """Read the spellings of a retry policy.

    Args:
        retries: How often it is tried at the most, or a policy, or a mapping of its fields; its intervals may be
            given in milliseconds (`initial_interval_ms`, `max_interval_ms`).
        backoff: How the waits grow, or a mapping of `type` and `multiplier`.

    Raises:
        RegistrationError: If a value is out of range or a name unknown; the message names it.
    """
    try:
        return RetryPolicy.model_validate(_attempts(retries) | _backoff(backoff))
    except ValidationError as error:
        problems = "; ".join(f"{path_text(one['loc'])}: {one['msg']}" for one in error.errors())
        fields = ", ".join(RetryPolicy.model_fields)
        raise RegistrationError(f"no RetryPolicy: {problems}; its fields are {fields}") from error


def _attempts(retries: int | Mapping[str, Any] | RetryPolicy | None) -> dict[str, Any]:
    match retries:
        case None:
            return {}
        case RetryPolicy():
            return retries.model_dump()
        case int():
            return {"max_attempts": max(1, retries)}
        case Mapping():
            return _in_seconds(retries)
        case _:
            raise RegistrationError(
                f"retries={retries!r}: give a number, a RetryPolicy, or a mapping of its fields"
            )


def _backoff(backoff: str | Mapping[str, Any] | None) -> dict[str, Any]:
    match backoff:
        case None:
            return {}
        case str():
            return {"backoff": backoff}
        case Mapping():
            return _in_seconds({{"type": "backoff"}.get(name, name): said for name, said in backoff.items()})
        case _:
            raise RegistrationError(
                f"backoff={backoff!r}: give constant, linear or exponential, or a mapping of type and multiplier"
            )


def _in_seconds(said: Mapping[str, Any]) -> dict[str, Any]:
    """Write the fields that are given in milliseconds as those in seconds."""
    return dict(_second(name, value) for name, value in said.items())


def _second(name: str, value: Any) -> tuple[str, Any]:
    if not name.endswith("_ms"):
        return name, value
    return f"{name[:-3]}_s", value / 1_000 if isinstance(value, int | float) else value
