"""Parameters of an operation, and how their values are written into a request."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast
from urllib.parse import quote

from pydantic_core import to_json

from towpath.errors import InvalidInputError

Place = Literal["path", "query", "header", "cookie"]
Pairs = list[tuple[str, str]]

_STYLES: dict[Place, str] = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
_SEPARATORS = {"form": ",", "spaceDelimited": " ", "pipeDelimited": "|"}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: What it is called in the request.
        argument: What the tool calls it: the same, unless two are called so.
        schema: JSON Schema of its value.
        style: How lists and objects are written.
        explode: Whether each of their items is written for itself.
        as_json: Whether its value is written as JSON.
    """

    name: str
    argument: str
    place: Place
    schema: Any
    required: bool
    style: str
    explode: bool
    as_json: bool = False


def style_of(place: Place, said: Mapping[str, Any]) -> tuple[str, bool]:
    """Tell the style of a parameter, and whether it explodes."""
    style = str(said.get("style") or _STYLES[place])
    return style, bool(said.get("explode", style == "form"))


def pairs(parameter: Parameter, value: Any) -> Pairs:
    """Write a parameter of the query or a cookie, as names and values; they are not encoded yet."""
    name = parameter.name
    if parameter.as_json:
        return [(name, to_json(value).decode())]
    separator = _SEPARATORS.get(parameter.style, ",")
    match value:
        case dict():
            fields = cast("dict[str, Any]", value)
            if parameter.style == "deepObject":
                return [(f"{name}[{key}]", text(item)) for key, item in fields.items()]
            if parameter.explode:
                return [(key, text(item)) for key, item in fields.items()]
            return [
                (name, separator.join(part for key, item in fields.items() for part in (key, text(item))))
            ]
        case list():
            items = [text(item) for item in cast("list[Any]", value)]
            return [(name, item) for item in items] if parameter.explode else [(name, separator.join(items))]
        case _:
            return [(name, text(value))]


def segment(parameter: Parameter, value: Any) -> str:
    """Write a parameter of the path, encoded.

    Raises:
        InvalidInputError: If it would lead to another path.
    """
    if value in ("", ".", ".."):
        raise InvalidInputError(
            f"{parameter.argument}: {value!r} would lead to another path; give a name or an id"
        )
    match parameter.style:
        case "label":
            return "." + _joined(parameter, value, "." if parameter.explode else ",")
        case "matrix":
            return _matrix(parameter, value)
        case _:
            return _joined(parameter, value, ",")


def header(parameter: Parameter, value: Any) -> str:
    """Write a parameter that is a header."""
    return to_json(value).decode() if parameter.as_json else _joined(parameter, value, ",", safe=_HEADER_SAFE)


_HEADER_SAFE = "".join(map(chr, range(32, 127)))
"""What a header may hold as it is."""


def _joined(parameter: Parameter, value: Any, separator: str, *, safe: str = "") -> str:
    def encoded(one: Any) -> str:
        return quote(text(one), safe=safe)

    match value:
        case dict():
            between = "=" if parameter.explode else separator
            fields = cast("dict[str, Any]", value)
            return separator.join(f"{encoded(key)}{between}{encoded(item)}" for key, item in fields.items())
        case list():
            return separator.join(map(encoded, cast("list[Any]", value)))
        case _:
            return encoded(value)


def _matrix(parameter: Parameter, value: Any) -> str:
    name = parameter.name
    if parameter.explode and isinstance(value, list):
        return "".join(f";{name}={quote(text(item), safe='')}" for item in cast("list[Any]", value))
    if parameter.explode and isinstance(value, dict):
        return ";" + _joined(parameter, value, ";")
    return f";{name}={_joined(parameter, value, ',')}"


def text(value: Any) -> str:
    """Write one value as a request carries it."""
    match value:
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case str():
            return value
        case int() | float():
            return str(value)
        case _:
            return to_json(value).decode()
