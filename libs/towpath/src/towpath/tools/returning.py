"""What a tool returned, as JSON carries it."""

import inspect
from base64 import b64encode
from collections.abc import Iterable
from typing import Any, cast

from pydantic_core import to_jsonable_python

from towpath.errors import NotSerialisableError
from towpath.set_order import with_sets_in_order
from towpath.values import MAX_DEPTH, to_json_value


def result_json(result: object) -> Any:
    """Write what a tool returned with JSON's own types: bytes as base64, what JSON does not know as its text.

    Raises:
        NotSerialisableError: If it holds a secret, a number that JSON has not, or something to await.
    """
    try:
        return to_json_value(result)
    except NotSerialisableError:
        return to_json_value(_leniently(result))  # refuses again what no leniency may let pass


def _leniently(result: object) -> Any:
    try:
        in_order = with_sets_in_order(result, MAX_DEPTH)
        return to_jsonable_python(_with_text(in_order), bytes_mode="base64", fallback=_as_text)
    except (ValueError, RecursionError) as error:  # it holds itself
        raise NotSerialisableError(f"a tool's result cannot be written as JSON: {error}") from error


def _with_text(value: Any) -> Any:
    """Write bytes in the alphabet of base64 that everybody reads, which is not pydantic's."""
    match value:
        case bytes() | bytearray():
            return b64encode(value).decode()
        case dict():
            return {key: _with_text(item) for key, item in cast("dict[Any, Any]", value).items()}
        case list() | tuple() | set() | frozenset():
            return [_with_text(item) for item in cast("Iterable[Any]", value)]
        case _:
            return value


def _as_text(value: object) -> str:
    if inspect.isawaitable(value):
        raise NotSerialisableError(f"a tool returned a {type(value).__name__}; await it first")
    return str(value)
