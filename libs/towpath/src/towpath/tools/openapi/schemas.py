"""Schemas of an OpenAPI document as plain JSON Schemas: references replaced, what 3.0 writes differently translated."""

from collections.abc import Mapping
from typing import Any, cast

from towpath.errors import ConfigurationError
from towpath.tools.openapi.document import Document

_NOT_FOR_MODELS = frozenset(
    {"discriminator", "example", "externalDocs", "nullable", "xml", "readOnly", "writeOnly"}
)
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_BY_NAME = frozenset({"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"})
"""Keywords whose values are schemas by names of the user's own."""
_AS_IT_IS = frozenset({"enum", "const", "default", "examples", "required"})


def json_schema(document: Document, schema: Any, *, within: tuple[str, ...] = ()) -> Any:
    """Write a schema with everything it refers to in its place.

    Args:
        document: Where it stands.
        schema: An object of it.
        within: The references that led here.

    Raises:
        ConfigurationError: If it refers to itself, so that it has no end.
    """
    if not isinstance(schema, Mapping):
        return schema
    said = cast("Mapping[str, Any]", schema)
    reference = said.get("$ref")
    if isinstance(reference, str):
        if reference in within:
            raise ConfigurationError(
                f"the schema {' -> '.join([*within, reference])} refers to itself, which tools cannot say; "
                "leave its operation out, or give a document without the cycle"
            )
        beside = {key: value for key, value in said.items() if key != "$ref"}
        named = cast("Mapping[str, Any]", document.named(reference))
        return json_schema(document, {**named, **beside}, within=(*within, reference))
    written = {
        key: _part(document, key, value, within) for key, value in said.items() if key not in _NOT_FOR_MODELS
    }
    return (
        _translated(_for_requests(written, said), said) if document.nullable else _for_requests(written, said)
    )


def _part(document: Document, key: str, value: Any, within: tuple[str, ...]) -> Any:
    if key in _AS_IT_IS:
        return value
    if key in _BY_NAME and isinstance(value, Mapping):
        by_name = cast("Mapping[str, Any]", value)
        return {name: json_schema(document, one, within=within) for name, one in by_name.items()}
    if isinstance(value, list):
        return [json_schema(document, one, within=within) for one in cast("list[Any]", value)]
    return json_schema(document, value, within=within)


def _for_requests(written: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the properties that only answers have."""
    properties = said.get("properties")
    if not isinstance(properties, Mapping):
        return written
    named = cast("Mapping[str, Any]", properties)
    told = {
        name for name, one in named.items() if isinstance(one, Mapping) and cast("Any", one).get("readOnly")
    }
    if told:
        written["properties"] = {name: one for name, one in written["properties"].items() if name not in told}
        written["required"] = [name for name in written.get("required", ()) if name not in told]
    return written


def _translated(written: dict[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """Write what OpenAPI 3.0 says in its own way as JSON Schema does."""
    for exclusive, bound in _BOUNDS.items():
        if isinstance(flag := written.get(exclusive), bool):
            del written[exclusive]
            if flag and bound in written:
                written[exclusive] = written.pop(bound)
    if not said.get("nullable"):
        return written
    if isinstance(kind := written.get("type"), str):
        also = {"enum": [*written["enum"], None]} if "enum" in written else {}
        return {**written, **also, "type": [kind, "null"]}
    return {"anyOf": [written, {"type": "null"}]}
