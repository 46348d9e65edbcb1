"""What all decorators share: how a callable becomes a registered component, and where that is noted on it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from towpath.annotations import name_of
from towpath.components import REGISTRY, Component
from towpath.errors import RegistrationError
from towpath.retry import RetryPolicy

MARK = "_towpath_component"
"""Attribute under which a decorated callable carries its `Component`."""

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
    setattr(function, MARK, component)
    return function


def component_of(definition: object) -> Component | None:
    """Return the component that a decorated callable, a tool or an agent defines, if it does."""
    component = getattr(definition, MARK, None)
    return component if isinstance(component, Component) else None


def check_no_stream(function: Callable[..., Any]) -> None:
    """Refuse generators.

    Raises:
        RegistrationError: If `function` is one.
    """
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise RegistrationError(
            f"{name_of(function)} yields; components do not stream yet, return a list instead"
        )


def retry_policy(
    retries: int | Mapping[str, Any] | RetryPolicy | None,
    backoff: str | Mapping[str, Any] | None,
) -> RetryPolicy:
    """Read the spellings of a retry policy.

    Args:
        retries: How often it is tried at the most, or a policy, or a mapping of `max_attempts`,
            `initial_interval_ms` and `max_interval_ms`.
        backoff: How the waits grow, or a mapping of `type` and `multiplier`.

    Raises:
        pydantic.ValidationError: If a value is out of range or a name unknown.
    """
    said = _attempts(retries) | _backoff(backoff)
    return RetryPolicy.model_validate(said)


def _attempts(retries: int | Mapping[str, Any] | RetryPolicy | None) -> dict[str, Any]:
    match retries:
        case None:
            return {}
        case RetryPolicy():
            return retries.model_dump()
        case int():
            return {"max_attempts": max(1, retries)}
        case _:
            return _in_seconds(retries)


def _backoff(backoff: str | Mapping[str, Any] | None) -> dict[str, Any]:
    if backoff is None:
        return {}
    if isinstance(backoff, str):
        return {"backoff": backoff}
    return {{"type": "backoff"}.get(name, name): value for name, value in backoff.items()}


def _in_seconds(retries: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name[:-3]}_s" if name.endswith("_ms") else name: value / 1_000 if name.endswith("_ms") else value
        for name, value in retries.items()
    }
