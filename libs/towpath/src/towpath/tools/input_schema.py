"""The JSON Schema of a tool's arguments: as models are shown it, and how arguments are held against it."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from towpath.errors import InvalidInputError, RegistrationError
from towpath.values import path_text


def given_schema(said: Mapping[str, Any]) -> dict[str, Any]:
    """Read a schema that somebody wrote, bare or as `{"json": schema}`."""
    inner = said.get("json") if set(said) == {"json"} else said
    return dict(cast("Mapping[str, Any]", inner))


def shown_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Write the schema of a signature as models are shown it: without what says nothing to them."""
    shown = {key: part for key, part in schema.items() if key != "additionalProperties"}
    shown["properties"] = {name: _property(part) for name, part in schema["properties"].items()}
    return shown


def _property(part: Mapping[str, Any]) -> dict[str, Any]:
    """Say of what may be left out only what it is otherwise; a null may be given as well."""
    match part:
        case {"anyOf": [inner, {"type": "null"}], "default": None, **rest}:
            return {**_property(cast("Mapping[str, Any]", inner)), **rest}
        case {"type": "string", "format": "binary", **rest}:
            return {"type": "string", "contentEncoding": "base64", **rest}
        case _:
            return dict(part)


def checker_of(name: str, schema: Mapping[str, Any]) -> Callable[[Any], None]:
    """Make what holds arguments against a JSON Schema.

    Returns:
        It raises `InvalidInputError`, which names each bad field.

    Raises:
        RegistrationError: If `schema` is none.
    """
    from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415 - needed with a schema of one's own

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        where = path_text(tuple(error.absolute_path))
        raise RegistrationError(
            f"tool {name!r}: its input_schema is none: {where}: {error.message}"
        ) from error
    validator: Any = Draft202012Validator(schema)

    def check(arguments: Any) -> None:
        problems = [
            f"{path_text(tuple(one.absolute_path))}: {one.message}"
            for one in validator.iter_errors(arguments)
        ]
        if problems:
            raise InvalidInputError(f"{name} does not take this input: {'; '.join(problems)}")

    return check
