"""How values become JSON and come back: the one round trip that live and replayed code share.

A result is journaled as JSON. So that a replay can never see another value than the live run did, both
are given `revive(round trip)`, never the object that the code returned.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import PurePath
from typing import Any, NoReturn, cast
from uuid import UUID

from pydantic import BaseModel, PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, to_json, to_jsonable_python

from towpath.errors import NotSerialisableError
from towpath.secrecy import secret_in
from towpath.set_order import with_sets_in_order

MAX_DEPTH = 100
"""Levels of nesting that every JSON reader on the way accepts."""
MAX_DIGITS = 4_300
"""Digits of a whole number that every JSON reader on the way accepts."""

_Path = tuple[str | int, ...]
_TOO_LARGE, _TOO_SMALL = 10**MAX_DIGITS, -(10**MAX_DIGITS)
_WRITTEN_AS_TEXT = (datetime, date, time, timedelta, UUID, Decimal)
_PRIMITIVES = frozenset({str, int, float, bool, type(None)})


def to_json_value(value: object) -> Any:
    """Write `value` with JSON's own types; the result shares nothing with it that can change.

    Raises:
        NotSerialisableError: If it holds what JSON cannot carry; the message names the path and the type.
    """
    return _written(value, ())


def revive(json_value: Any, kind: Any, *, what: str = "a result") -> Any:
    """Read a JSON value as an instance of `kind`, an annotation; what pydantic does not know stays JSON.

    Args:
        json_value: What is read.
        kind: The annotation.
        what: What an error calls the value.

    Raises:
        NotSerialisableError: If the value does not fit `kind`.
    """
    if kind is Any or (type(json_value) is kind and kind in _PRIMITIVES):
        return json_value
    adapter = adapter_of(kind)
    if adapter is None:
        return json_value
    try:
        return adapter.validate_json(to_json(json_value), by_alias=True, by_name=True)
    except ValidationError as error:
        raise NotSerialisableError(_misfit(what, kind, error)) from error


def adapter_of(kind: Any) -> TypeAdapter[Any] | None:
    """Return pydantic's adapter of an annotation, cached; None where pydantic does not know the type."""
    try:
        return _adapter(kind)
    except TypeError:  # unhashable, such as Annotated with a dict in it
        return _built(kind)


@lru_cache(maxsize=4_096)
def _adapter(kind: Any) -> TypeAdapter[Any] | None:
    return _built(kind)


def _built(kind: Any) -> TypeAdapter[Any] | None:
    try:
        return TypeAdapter(kind)
    except (PydanticSchemaGenerationError, PydanticUserError):
        return None


def _misfit(what: str, kind: Any, error: ValidationError) -> str:
    name = getattr(kind, "__name__", None) or str(kind)
    problems = "; ".join(f"{path_text(one['loc'])}: {one['msg']}" for one in error.errors(include_url=False))
    return f"{what} does not fit its annotation {name}: {problems}; correct the annotation or the value"


def path_text(path: tuple[str | int, ...]) -> str:
    """Write the path of a field for people.

    >>> path_text(("orders", 2, "price"))
    'orders.2.price'
    """
    return ".".join(map(str, path)) or "the value itself"


def secret_refused(who_holds: str, secret: str) -> NotSerialisableError:
    """Make the error that refuses what holds a secret; `who_holds` is said before the secret's name."""
    return NotSerialisableError(
        f"{who_holds} the secret {secret!r}, which is not written down; "
        f"read it where it is used: ctx.secrets().get({secret!r})"
    )


def _written(value: Any, path: _Path) -> Any:
    """Write one value; the exact types that are most frequent come first."""
    writer = _WRITERS.get(_type_of(value)) or _writer_of(value)
    if writer is None:
        _refuse(value, path)
    if len(path) > MAX_DEPTH:
        raise NotSerialisableError(
            f"{path_text(path[:6])}...: nested over {MAX_DEPTH} levels, or holds itself"
        )
    return writer(value, path)


def _type_of(value: object) -> type:
    return type(value)


def _writer_of(value: Any) -> Callable[[Any, _Path], Any] | None:
    """Choose how to write a value whose exact type is none of the usual ones."""
    match value:
        case Enum():
            return _enum
        case BaseModel():
            return _model
        case _ if is_dataclass(value) and not isinstance(value, type):
            return _dataclass
        case _:
            return next((write for kind, write in _BY_BASE if isinstance(value, kind)), None)


def _unchanged(value: Any, path: _Path) -> Any:
    return value


def _text(value: str, path: _Path) -> str:
    if (secret := secret_in(value)) is not None:
        raise secret_refused(f"{path_text(path)} holds", secret)
    if value.isascii():
        return str(value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise NotSerialisableError(f"{path_text(path)}: the text holds half a surrogate pair") from error
    return str(value)


def _whole(value: int, path: _Path) -> int:
    if _TOO_SMALL < value < _TOO_LARGE:
        return value
    raise NotSerialisableError(
        f"{path_text(path)}: no reader of JSON takes a whole number of over {MAX_DIGITS:,} digits; write it as text, such "
        "as hex(number)"
    )


def _float(value: float, path: _Path) -> float:
    if not math.isfinite(value):
        raise NotSerialisableError(f"{path_text(path)}: JSON has no {value}; use None")
    return float(value)


def _items(value: Any, path: _Path) -> list[Any]:
    return [_written(item, (*path, index)) for index, item in enumerate(value)]


def _members(value: Any, path: _Path) -> list[Any]:
    """Write a set in an order of its own, so that equal sets are written alike."""
    return sorted(_items(value, path), key=to_json)


def _mapping(value: Mapping[Any, Any], path: _Path) -> dict[str, Any]:
    written: dict[str, Any] = {}
    for key, item in value.items():
        name = key if type(key) is str else _name(key, path)
        if name in written:
            raise NotSerialisableError(f"{path_text(path)}: two keys are written as {name!r}")
        written[_text(name, path)] = _written(item, (*path, name))
    return written


def _name(key: Any, path: _Path) -> str:
    """Write a key of a mapping, which JSON wants to be text."""
    plain = key.value if isinstance(key, Enum) else key
    if isinstance(plain, str):
        return str(plain)
    if isinstance(plain, bool) or not isinstance(plain, (int, *_WRITTEN_AS_TEXT)):
        _refuse(key, path, "as a key")
    return str(_whole(int(plain), path) if isinstance(plain, int) else to_jsonable_python(plain))


def _enum(value: Enum, path: _Path) -> Any:
    return _written(value.value, path)


def _model(value: BaseModel, path: _Path) -> Any:
    try:
        in_order = with_sets_in_order(value, MAX_DEPTH)
        return _written(in_order.model_dump(mode="json", round_trip=True), path)
    except (PydanticSerializationError, ValueError) as error:
        raise NotSerialisableError(f"{path_text(path)}: {type(value).__name__}: {error}") from error


def _dataclass(value: Any, path: _Path) -> dict[str, Any]:
    return {
        one.name: _written(getattr(value, one.name), (*path, one.name)) for one in fields(value) if one.init
    }


def _as_text(value: Any, path: _Path) -> str:
    return cast("str", to_jsonable_python(value))


def _refuse(value: object, path: _Path, role: str = "") -> NoReturn:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    where = f"{path_text(path)}: {kind} {role}".rstrip()
    raise NotSerialisableError(f"{where} cannot be written as JSON; {_REMEDIES.get(kind, _REMEDY)}")


_REMEDY = "return text, numbers, lists, dicts, dataclasses or pydantic models"
_REMEDIES = {
    "bytes": "encode it as text (base64), or keep it elsewhere and return its place",
    "coroutine": "await it first",
}
_BY_BASE: tuple[tuple[Any, Callable[[Any, _Path], Any]], ...] = (
    (str, _text),
    (int, lambda value, path: _whole(int(value), path)),
    (float, _float),
    (Mapping, _mapping),
    ((list, tuple), _items),
    ((set, frozenset), _members),
    (_WRITTEN_AS_TEXT, _as_text),
    (PurePath, lambda value, path: str(value)),
)
_WRITERS: dict[type, Callable[[Any, _Path], Any]] = {
    str: _text,
    int: _whole,
    bool: _unchanged,
    type(None): _unchanged,
    float: _float,
    dict: _mapping,
    list: _items,
    tuple: _items,
}
