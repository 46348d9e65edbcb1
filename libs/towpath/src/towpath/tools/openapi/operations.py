"""The operations of an OpenAPI document: what each is called, what it takes, where it goes."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast
from urllib.parse import urljoin

from towpath.errors import ConfigurationError
from towpath.tools.openapi.document import Document
from towpath.tools.openapi.parameters import Parameter, Place, style_of
from towpath.tools.openapi.schemas import json_schema

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
_BODY_KINDS = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


class RequestBody(NamedTuple):
    """The body of a request.

    Attributes:
        argument: What the tool calls it.
        media_type: How it is written.
    """

    argument: str
    media_type: str
    schema: Any
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation.

    Attributes:
        name: Its `operationId` with the characters that tools may be named with; made of method and path if it has none.
        said_id: Its `operationId` as it is written; empty if it has none.
        servers: Its own, its path's or the document's.
        security: Alternatives; each names the schemes that are needed together.
    """

    name: str
    said_id: str
    method: str
    path: str
    description: str
    parameters: tuple[Parameter, ...]
    body: RequestBody | None
    servers: Sequence[Mapping[str, Any]]
    security: Sequence[Mapping[str, Any]]

    @property
    def input_schema(self) -> dict[str, Any]:
        """JSON Schema of an object of its parameters, and of its body."""
        properties = {one.argument: one.schema for one in self.parameters}
        required = [one.argument for one in self.parameters if one.required]
        if self.body is not None:
            properties[self.body.argument] = self.body.schema
            required += [self.body.argument] if self.body.required else []
        return {"type": "object", "properties": properties, "required": required}


class Found(NamedTuple):
    """An operation as it stands in a document, before it is read."""

    name: str
    said_id: str
    method: str
    path: str
    item: Mapping[str, Any]
    said: Mapping[str, Any]

    def is_called(self, name: str) -> bool:
        """Tell whether `name` means it: its id, its tool's name, or `GET /path`."""
        return name in {self.name, self.said_id, f"{self.method.upper()} {self.path}"}


def found_in(document: Document) -> Iterator[Found]:
    """Yield the operations of a document."""
    paths = cast("Mapping[str, Any]", document.content.get("paths") or {})
    for path, item in paths.items():
        seen = cast("Mapping[str, Any]", document.seen(item))
        for method in METHODS:
            said = seen.get(method)
            if isinstance(said, Mapping):
                operation = cast("Mapping[str, Any]", said)
                said_id = str(operation.get("operationId") or "")
                name = re.sub(r"[^A-Za-z0-9_-]+", "_", said_id or f"{method}_{path.strip('/')}").strip("_")
                yield Found(name, said_id, method, path, seen, operation)


def read_operation(document: Document, found: Found) -> Operation:
    """Read an operation.

    Raises:
        ConfigurationError: If it cannot be a tool; the message names it.
    """
    try:
        return _read(document, found)
    except ConfigurationError as error:
        raise ConfigurationError(f"operation {found.method.upper()} {found.path}: {error}") from error


def _read(document: Document, found: Found) -> Operation:
    said = found.said
    parameters = _parameters(document, found)
    taken = {one.argument for one in parameters}
    description = "\n\n".join(str(said[key]) for key in ("summary", "description") if said.get(key))
    return Operation(
        name=found.name,
        said_id=found.said_id,
        method=found.method,
        path=found.path,
        description=description or f"{found.method.upper()} {found.path}",
        parameters=parameters,
        body=_body(document, said.get("requestBody"), "request_body" if "body" in taken else "body"),
        servers=said.get("servers") or found.item.get("servers") or document.content.get("servers") or (),
        security=said.get("security", document.content.get("security") or ()),
    )


def _parameters(document: Document, found: Found) -> tuple[Parameter, ...]:
    """Read the parameters; those of the operation go before those of its path."""
    written: dict[tuple[str, str], Mapping[str, Any]] = {}
    for one in (*(found.item.get("parameters") or ()), *(found.said.get("parameters") or ())):
        seen = cast("Mapping[str, Any]", document.seen(one))
        written[seen["name"], seen["in"]] = seen
    names = [name for name, _ in written]
    return tuple(
        _parameter(document, said, alone=names.count(said["name"]) == 1) for said in written.values()
    )


def _parameter(document: Document, said: Mapping[str, Any], *, alone: bool) -> Parameter:
    name, place = str(said["name"]), cast("Place", said["in"])
    style, explode = style_of(place, said)
    content = cast("Mapping[str, Any]", said.get("content") or {})
    written = next(iter(content.values()), said)
    schema = json_schema(document, cast("Mapping[str, Any]", written).get("schema") or {})
    if said.get("description"):
        schema = {**schema, "description": str(said["description"])}
    return Parameter(
        name=name,
        argument=name if alone else f"{name}_{place}",
        place=place,
        schema=schema,
        required=place == "path" or bool(said.get("required")),
        style=style,
        explode=explode,
        as_json=bool(content),
    )


def _body(document: Document, said: Any, argument: str) -> RequestBody | None:
    seen = cast("Mapping[str, Any]", document.seen(said) or {})
    content = cast("Mapping[str, Any]", seen.get("content") or {})
    if not content:
        return None
    kinds = {str(kind).partition(";")[0].strip().lower(): kind for kind in content}
    usable = next((kind for kind in (*_BODY_KINDS, *filter(_is_json, kinds)) if kind in kinds), None)
    if usable is None:
        raise ConfigurationError(
            f"its body is {', '.join(kinds)}, which tools cannot write; leave the operation out"
        )
    schema = json_schema(document, content[kinds[usable]].get("schema") or {})
    return RequestBody(argument, usable, schema, bool(seen.get("required")))


def _is_json(media_type: str) -> bool:
    return media_type.endswith("+json")


def base_url(document: Document, operation: Operation, variables: Mapping[str, str]) -> str:
    """Tell where an operation is: at the first of its servers, with the variables' values in their places.

    Raises:
        ConfigurationError: If no server is named, and the document came from nowhere; or a variable has no such value.
    """
    server = next(iter(operation.servers), {"url": "/"} if document.origin else None)
    if server is None:
        raise ConfigurationError("the OpenAPI document names no server; give base_url")
    known = cast("Mapping[str, Any]", server.get("variables") or {})
    url = re.sub(r"\{([^{}]+)\}", lambda match: _value(match[1], known, variables), str(server["url"]))
    url = urljoin(document.origin, url)
    if not url.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"the OpenAPI document names the server {url!r}, relative to nothing; give base_url"
        )
    return url.rstrip("/")


def _value(name: str, known: Mapping[str, Any], given: Mapping[str, str]) -> str:
    said = cast("Mapping[str, Any]", known.get(name) or {})
    value = given.get(name, said.get("default"))
    if value is None:
        raise ConfigurationError(
            f"the server's variable {name!r} has no value; give variables={{{name!r}: ...}}"
        )
    allowed = cast("Sequence[Any]", said.get("enum") or ())
    if allowed and value not in allowed:
        raise ConfigurationError(f"the server's variable {name!r} is one of {', '.join(map(str, allowed))}")
    return str(value)
