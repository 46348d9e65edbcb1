"""How an input is read as arguments: an object of parameters, one value, or a list by position. Pure functions.

Who runs a component reads its input so, and who tells its runs apart by what they are given.
"""

from functools import cached_property
from typing import Any, NamedTuple, cast

from towpath_schemas.shape import Shape

PLACES = "*"
"""Key of the values that an object gives by position."""


class ParameterNames(Shape):
    """The parameters of a component, without its context.

    Attributes:
        by_place: Those that may be given by position, in their order.
        by_name_only: Those that may not.
        required: Those without a default.
        rest: The name of what takes further values, as `*rest`.
        extra: The name of what takes further names, as `**extra`.
    """

    by_place: tuple[str, ...] = ()
    by_name_only: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    rest: str | None = None
    extra: str | None = None

    @cached_property
    def all(self) -> tuple[str, ...]:
        """All of them, in their order."""
        return self.by_place + self.by_name_only

    @cached_property
    def only(self) -> str | None:
        """The name of the parameter, if there is exactly one; it may be given as the bare value."""
        return self.all[0] if len(self.all) == 1 and not self.rest else None

    def are_named_in(self, payload: dict[str, Any]) -> bool:
        """Tell whether all keys of `payload` name parameters."""
        return self.extra is not None or all(key in self.all for key in payload)


class Reading(NamedTuple):
    """A payload as arguments that are not validated yet; `rest` is what `*args` gets."""

    named: dict[str, Any]
    rest: list[Any]


def read_input(payload: Any, names: ParameterNames) -> Reading:
    """Read a payload as arguments.

    An object whose keys are all parameters gives them by name, `{"*": [...], ...}` some by position; a list
    gives several parameters by position; anything else is the value of the only parameter.

    Raises:
        ValueError: If it cannot be read as arguments at all.
    """
    match payload:
        case dict():
            return _read_object(cast("dict[str, Any]", payload), names)
        case None if not names.required:
            return Reading({}, [])
        case list() if names.only is None:
            return _read_places(cast("list[Any]", payload), {}, names)
        case _:
            return _read_value(payload, names)


def read_value(payload: Any) -> Any:
    """Read the payload of what takes one value, which may have been given by position."""
    match payload:
        case {"*": [value], **named} if not named:
            return value
        case _:
            return payload


def _read_object(payload: dict[str, Any], names: ParameterNames) -> Reading:
    named = {key: value for key, value in payload.items() if key != PLACES}
    positional = payload.get(PLACES)
    if isinstance(positional, list) and names.are_named_in(named):
        return _read_places(cast("list[Any]", positional), named, names)
    is_value = names.only in names.required and not payload
    if names.only is None or (names.are_named_in(payload) and not is_value):
        return Reading(payload, [])
    return Reading({names.only: payload}, [])


def _read_places(values: list[Any], named: dict[str, Any], names: ParameterNames) -> Reading:
    placed = dict(zip(names.by_place, values, strict=False))
    rest = values[len(placed) :]
    if rest and not names.rest:
        raise ValueError(f"{len(values)} values for {len(placed)} parameters")
    if twice := placed.keys() & named.keys():
        raise ValueError(f"{min(twice)}: given twice, by position and by name")
    return Reading({**placed, **named}, rest)


def _read_value(payload: Any, names: ParameterNames) -> Reading:
    sole = names.only or (names.required[0] if len(names.required) == 1 else None)
    if sole is not None:
        return Reading({sole: payload}, [])
    if payload is None:
        return Reading({}, [])
    if names.rest and not names.all:
        return Reading({}, [payload])
    raise ValueError(f"one value of type {type(payload).__name__} for {len(names.all)} parameters")
