"""The one order in which pydantic writes sets.

It writes a set in the order in which it is gone through, and that differs from one process to the next. So it is given
a copy of what it is to write, whose sets are gone through in the order of their members as JSON; what a model has for
serializers sees these sets, too.
"""

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import fields, is_dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

T = TypeVar("T")

_HOLD_NOTHING = frozenset({str, int, float, bool, type(None), bytes, datetime, date, Decimal, UUID})
_OF_A_MODEL = ("__dict__", "__pydantic_extra__", "__pydantic_private__")
"""Attributes in which a model keeps what it holds."""


def with_sets_in_order(value: T, levels: int) -> T:
    """Return a value whose sets are gone through in one order: the same one if that is so, else a copy.

    Args:
        value: Most often a model; it is not changed.
        levels: How deep it is copied.
    """
    try:
        needed = _holds_a_set(value)
    except RecursionError:  # it may hold itself, which copies bear
        needed = True
    return _Copying(levels).of(value, 0) if needed else value


def _holds_a_set(value: object) -> bool:
    """Tell whether there is a set of several members; most models have none, and this is asked of each that is written."""
    holder = _holder(type(value))
    if holder is None:
        return False
    if holder is _SET and len(cast("set[Any]", value)) > 1:
        return True
    for one in holder.members(value):  # noqa: SIM110 - a generator takes twice as long
        if type(one) not in _HOLD_NOTHING and _holds_a_set(one):
            return True
    return False


class _OrderedSet(set[Any]):
    """A set that is gone through in the order in which it was given its members."""

    def __init__(self, members: list[Any]) -> None:
        super().__init__(members)
        self._members = members

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)


class _OrderedFrozenSet(frozenset[Any]):
    """The same, frozen."""

    _members: list[Any]

    def __new__(cls, members: list[Any]) -> Self:
        made = super().__new__(cls, members)
        made._members = members
        return made

    def __iter__(self) -> Iterator[Any]:
        return iter(self._members)


class _Holder(NamedTuple):
    """What is known of a kind of value that holds others.

    Attributes:
        members: Lists what one holds.
        places: Lists this with the place of each.
        replaced: Makes a copy of one that has others in some places.
    """

    members: Callable[[Any], Collection[Any]]
    places: Callable[[Any], Iterable[tuple[Any, Any]]]
    replaced: Callable[[Any, Mapping[Any, Any]], Any]


@lru_cache(maxsize=4_096)
def _holder(kind: type[Any]) -> _Holder | None:
    """Tell what is known of a class; None if what it holds, if anything, is not looked at.

    A set of a class of its own may have an order of its own.
    """
    if kind in (set, frozenset):
        return _SET
    if issubclass(kind, BaseModel):
        return _MODEL
    if is_dataclass(kind):
        return _DATACLASS
    return next((holder for base, holder in _BY_BASE if issubclass(kind, base)), None)


class _Copying:
    """Copies of what holds sets; of each object one, however often it is met."""

    def __init__(self, levels: int) -> None:
        self._levels = levels
        self._copies: dict[int, Any] = {}

    def of(self, value: object, level: int) -> Any:
        """Return what takes the place of a value: itself where it holds no sets."""
        holder = _holder(type(value))
        if holder is None or level > self._levels:
            return value
        if id(value) not in self._copies:
            self._copies[id(value)] = value  # it may hold itself
            inner = ((place, one) for place, one in holder.places(value) if type(one) not in _HOLD_NOTHING)
            changed = {place: new for place, one in inner if (new := self.of(one, level + 1)) is not one}
            self._copies[id(value)] = holder.replaced(value, changed) if changed or holder is _SET else value
        return self._copies[id(value)]


def _members_of_model(value: BaseModel) -> Collection[Any]:
    beside = getattr(value, "__pydantic_extra__", None) or getattr(value, "__pydantic_private__", None)
    return [one for _, one in _places_of_model(value)] if beside else value.__dict__.values()


def _places_of_model(value: BaseModel) -> Iterable[tuple[tuple[str, str], Any]]:
    for attribute in _OF_A_MODEL:
        held: dict[str, Any] = getattr(value, attribute, None) or {}
        for name, one in held.items():
            yield (attribute, name), one


def _model_with(value: BaseModel, changed: Mapping[tuple[str, str], Any]) -> BaseModel:
    copied = copy(value)
    for (attribute, name), other in changed.items():
        getattr(copied, attribute)[name] = other
    return copied


def _members_of_dataclass(value: Any) -> list[Any]:
    return [one for _, one in _places_of_dataclass(value)]


def _places_of_dataclass(value: Any) -> list[tuple[str, Any]]:
    return [(one.name, getattr(value, one.name, None)) for one in fields(value)]


def _dataclass_with(value: Any, changed: Mapping[str, Any]) -> Any:
    copied = copy(value)
    for name, other in changed.items():
        object.__setattr__(copied, name, other)
    return copied


def _items_with(value: Any, changed: Mapping[Any, Any]) -> Any:
    copied = copy(value)
    for place, other in changed.items():
        copied[place] = other
    return copied


def _tuple_with(value: tuple[Any, ...], changed: Mapping[int, Any]) -> tuple[Any, ...]:
    items = [changed.get(place, one) for place, one in enumerate(value)]
    return tuple.__new__(type(value), items)  # pyright: ignore[reportUnknownMemberType] - whatever class of tuple it is


def _set_with(value: Any, changed: Mapping[int, Any]) -> Any:
    members = sorted((changed.get(place, one) for place, one in enumerate(value)), key=_as_json)
    return _OrderedSet(members) if isinstance(value, set) else _OrderedFrozenSet(members)


def _as_json(member: Any) -> bytes:
    """Write a member of a set to compare it by; one that cannot be written is refused when the model is."""
    try:
        return to_json(member, bytes_mode="base64", fallback=str)
    except ValueError:
        return b""


_SET = _Holder(list, enumerate, _set_with)
_LIST = _Holder(list, enumerate, _items_with)
_MODEL = _Holder(_members_of_model, _places_of_model, _model_with)
_DATACLASS = _Holder(_members_of_dataclass, _places_of_dataclass, _dataclass_with)
_BY_BASE: tuple[tuple[type[Any], _Holder], ...] = (
    (dict, _Holder(dict[Any, Any].values, dict[Any, Any].items, _items_with)),
    (list, _LIST),
    (deque, _LIST),
    (tuple, _Holder(list, enumerate, _tuple_with)),
)
