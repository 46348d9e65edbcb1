"""How servers are asked for JSON: as strictly as a schema allows, and less so where a server does not know how."""

import re
from collections.abc import Mapping
from typing import Any, cast

Form = dict[str, Any]
"""The form of an answer, as chat completions write it; None leaves it to what the model is told in words."""

_MAX_NAME_CHARS = 64
_LOOSE = frozenset(
    {
        "allOf",
        "oneOf",
        "not",
        "if",
        "then",
        "else",
        "patternProperties",
        "dependentRequired",
        "dependentSchemas",
    }
)
_SCHEMAS = ("$defs", "definitions", "properties")


class _LooseError(ValueError):
    """The schema says what cannot be asked for strictly."""


def forms_of(schema: Mapping[str, Any] | None, *, enforced: bool) -> tuple[Form | None, ...]:
    """List how an answer of a schema may be asked for, the strictest first; the last one every server knows.

    Args:
        schema: JSON Schema; an empty one allows any JSON, None is text.
        enforced: Whether the server can be asked to keep to a schema at all.
    """
    if schema is None or not enforced:
        return (None,)
    if not schema:
        return ({"type": "json_object"}, None)
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:_MAX_NAME_CHARS]
    strict = strict_schema(schema)
    asked = (
        {"name": name, "schema": dict(schema)}
        if strict is None
        else {"name": name, "schema": strict, "strict": True}
    )
    return ({"type": "json_schema", "json_schema": asked}, {"type": "json_object"}, None)


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Write a schema as strict servers want it: objects are closed, and name all their properties as required.

    Returns:
        None where it cannot be written so, such as with properties of any name, or choices that a discriminator makes.
    """
    try:
        strict = _strict(schema, schema)
    except _LooseError:
        return None
    return strict if strict.get("type") == "object" else None


def _strict(schema: Any, whole: Mapping[str, Any]) -> dict[str, Any]:
    schema = _mapping(schema)
    if "$ref" in schema and len(schema) > 1:
        schema = _written_out(schema, whole)
    if _LOOSE & schema.keys():
        raise _LooseError
    written = {name: _strict_part(name, part, whole) for name, part in schema.items() if name != "default"}
    if written.get("type") == "object" or "properties" in written:
        return _closed(written)
    if not written.keys() & {"type", "enum", "const", "anyOf", "$ref"}:
        raise _LooseError  # it allows anything
    return written


def _written_out(schema: Mapping[str, Any], whole: Mapping[str, Any]) -> Mapping[str, Any]:
    """Put what a reference means in its place, since nothing may stand beside a reference."""
    place, _, name = str(schema["$ref"]).rpartition("/")
    meant = _mapping(_mapping(whole.get(place.removeprefix("#/"))).get(name))
    if "$ref" in meant:
        raise _LooseError
    return {**meant, **{key: part for key, part in schema.items() if key != "$ref"}}


def _strict_part(name: str, part: Any, whole: Mapping[str, Any]) -> Any:
    if name in _SCHEMAS:
        return {key: _strict(one, whole) for key, one in _mapping(part).items()}
    if name == "anyOf" and isinstance(part, list):
        return [_strict(one, whole) for one in cast("list[Any]", part)]
    return _strict(part, whole) if name in ("items", "contains") else part


def _mapping(part: Any) -> Mapping[str, Any]:
    if not isinstance(part, Mapping):
        raise _LooseError  # `true` allows anything, and a list says what stands at which place
    return cast("Mapping[str, Any]", part)


def _closed(written: dict[str, Any]) -> dict[str, Any]:
    if written.get("additionalProperties", False) is not False or not written.get("properties"):
        raise _LooseError
    return {**written, "additionalProperties": False, "required": list(written["properties"])}
