"""How a payload is read as arguments: an object of parameters, one value, or a list by position."""

import inspect
from functools import cached_property
from inspect import Parameter
from typing import Any, NamedTuple, cast

from towpath.step_input import RESERVED, deps_in


class Reading(NamedTuple):
    """A payload as arguments that are not validated yet; `rest` is what `*args` gets."""

    named: dict[str, Any]
    rest: list[Any]


class Parameters:
    """The parameters of a callable, without its context."""

    def __init__(self, signature: inspect.Signature) -> None:
        self.signature = signature
        self.by_name: dict[str, Parameter] = {
            name: parameter
            for name, parameter in signature.parameters.items()
            if parameter.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
        }
        self.names = tuple(self.by_name)
        self.rest = self._of_kind(Parameter.VAR_POSITIONAL)
        self.extra = self._of_kind(Parameter.VAR_KEYWORD)

    def _of_kind(self, kind: Any) -> str | None:
        return next((one.name for one in self.signature.parameters.values() if one.kind is kind), None)

    @cached_property
    def required(self) -> frozenset[str]:
        """Names of those without a default."""
        return frozenset(one.name for one in self.by_name.values() if one.default is Parameter.empty)

    @cached_property
    def by_place(self) -> tuple[str, ...]:
        """Names of those that may be given by position."""
        return tuple(one.name for one in self.by_name.values() if one.kind is not Parameter.KEYWORD_ONLY)

    @cached_property
    def only(self) -> str | None:
        """The name of the parameter, if there is exactly one; it may be given as the bare value."""
        return self.names[0] if len(self.names) == 1 and not self.rest else None

    def are_named_in(self, payload: dict[str, Any]) -> bool:
        """Tell whether all keys of `payload` name parameters."""
        return self.extra is not None or all(key in self.by_name for key in payload)


def read_payload(payload: Any, parameters: Parameters) -> Reading:
    """Read a payload as arguments.

    An object whose keys are all parameters gives them by name, `{"*": [...], ...}` some by position; a list
    gives several parameters by position; anything else is the value of the only parameter. What a flow
    adds to what its step says need not be taken.

    Raises:
        ValueError: If it cannot be read as arguments at all.
    """
    match payload:
        case dict():
            return _read_object(_taken(cast("dict[str, Any]", payload), parameters), parameters)
        case None if not parameters.required:
            return Reading({}, [])
        case list() if parameters.only is None:
            return _read_places(cast("list[Any]", payload), {}, parameters)
        case _:
            return _read_value(payload, parameters)


def _taken(payload: dict[str, Any], parameters: Parameters) -> dict[str, Any]:
    """Leave out what a flow adds to what its step says, where no parameter is for it."""
    if deps_in(payload) is None:
        return payload
    taken = {key: value for key, value in payload.items() if key not in RESERVED or key in parameters.by_name}
    is_value = parameters.only is not None and not (taken and parameters.are_named_in(taken))
    return payload if is_value or parameters.extra else taken


def _read_object(payload: dict[str, Any], parameters: Parameters) -> Reading:
    named = {key: value for key, value in payload.items() if key != "*"}
    positional = payload.get("*")
    if isinstance(positional, list) and parameters.are_named_in(named):
        return _read_places(cast("list[Any]", positional), named, parameters)
    is_value = parameters.only in parameters.required and not payload
    if parameters.only is None or (parameters.are_named_in(payload) and not is_value):
        return Reading(payload, [])
    return Reading({parameters.only: payload}, [])


def _read_places(values: list[Any], named: dict[str, Any], parameters: Parameters) -> Reading:
    placed = dict(zip(parameters.by_place, values, strict=False))
    rest = values[len(placed) :]
    if rest and not parameters.rest:
        raise ValueError(f"{len(values)} values for {len(placed)} parameters")
    if twice := placed.keys() & named.keys():
        raise ValueError(f"{min(twice)}: given twice, by position and by name")
    return Reading({**placed, **named}, rest)


def _read_value(payload: Any, parameters: Parameters) -> Reading:
    sole = parameters.only or (min(parameters.required) if len(parameters.required) == 1 else None)
    if sole is not None:
        return Reading({sole: payload}, [])
    if payload is None:
        return Reading({}, [])
    if parameters.rest and not parameters.names:
        return Reading({}, [payload])
    raise ValueError(f"one value of type {type(payload).__name__} for {len(parameters.names)} parameters")
