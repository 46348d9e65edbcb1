"""Reading JSON objects strictly: a field that would be ignored is refused instead."""

from collections.abc import Iterable
from typing import Any, TypeAlias

from towpath_cli.embedded.qdrant_edge.errors import UnsupportedError

Json: TypeAlias = dict[str, Any]


def only(body: Json, known: Iterable[str]) -> Json:
    """Drop what is null, as Qdrant does, and refuse what is not `known`.

    Raises:
        UnsupportedError: If a field is left whose meaning would be lost.
    """
    given = {field: value for field, value in body.items() if value is not None}
    for field in given.keys() - set(known):
        raise UnsupportedError(f"`{field}`")
    return given


def the_only(body: Json, known: Iterable[str]) -> tuple[str, Any]:
    """Read an object that must have exactly one field, which says what it is.

    Raises:
        UnsupportedError: If the field is not `known`.
        ValueError: If there are none or several.
    """
    given = only(body, known)
    if len(given) != 1:
        raise ValueError(f"expected exactly one of {', '.join(known)}")
    return next(iter(given.items()))
