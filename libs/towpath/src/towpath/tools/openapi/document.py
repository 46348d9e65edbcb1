"""An OpenAPI document: where it is read from, and what its references name."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from towpath.errors import ConfigurationError

_FETCH_TIMEOUT_S = 30.0
_VERSIONS = ("3.0", "3.1")


class Document:
    """An OpenAPI document of version 3.0 or 3.1.

    Args:
        content: The document.
        origin: The URL it came from, to which relative addresses of servers refer; empty if it came from elsewhere.

    Raises:
        ConfigurationError: If it is none.
    """

    def __init__(self, content: Mapping[str, Any], origin: str = "") -> None:
        version = str(content.get("openapi", ""))
        if not version.startswith(_VERSIONS):
            said = f"openapi: {version}" if version else "no openapi field"
            raise ConfigurationError(f"this is no OpenAPI document of version 3.0 or 3.1: it has {said}")
        self.content = content
        self.origin = origin
        self.nullable = version.startswith("3.0")

    @classmethod
    def read(cls, spec: str | Path | Mapping[str, Any]) -> "Document":
        """Read a document: JSON or YAML, from an `http(s)` URL, a file, or a mapping that was read already.

        Raises:
            ConfigurationError: If it cannot be read, or is no OpenAPI document.
        """
        if isinstance(spec, Mapping):
            return cls(spec)
        if isinstance(spec, str) and spec.startswith(("http://", "https://")):
            return cls(_parsed(_fetched(spec), spec), spec)
        try:
            text = Path(spec).read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"the OpenAPI document {spec} cannot be read: {error}") from error
        return cls(_parsed(text, str(spec)))

    def named(self, reference: str) -> Any:
        """Return what a reference within the document names, such as `#/components/schemas/Pet`.

        Raises:
            ConfigurationError: If it names nothing, or another document.
        """
        if not reference.startswith("#/"):
            raise ConfigurationError(
                f"$ref {reference!r} leads out of the OpenAPI document; bundle it into one document first"
            )
        found: Any = self.content
        for part in reference.removeprefix("#/").split("/"):
            key = part.replace("~1", "/").replace("~0", "~")
            found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
        if found is None:
            raise ConfigurationError(f"$ref {reference!r} names nothing in the OpenAPI document")
        return found

    def seen(self, value: Any) -> Any:
        """Return an object of the document, or what it refers to; what is inside stays as it is written."""
        followed: list[str] = []
        while isinstance(value, Mapping):
            reference = cast("Mapping[str, Any]", value).get("$ref")
            if not isinstance(reference, str):
                break
            if reference in followed:
                raise ConfigurationError(f"{' -> '.join([*followed, reference])} refers to itself")
            followed.append(reference)
            value = self.named(reference)
        return cast("Any", value)


def _fetched(url: str) -> str:
    httpx = http_library()
    try:
        answer = httpx.get(url, timeout=_FETCH_TIMEOUT_S, follow_redirects=True)
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise ConfigurationError(f"the OpenAPI document {url} cannot be fetched: {error}") from error
    return answer.text


def _parsed(text: str, where: str) -> Mapping[str, Any]:
    parse = json.loads if text.lstrip().startswith("{") else _yaml_parser()
    try:
        read: Any = parse(text)
    except ValueError as error:
        raise ConfigurationError(f"{where} is neither JSON nor YAML: {error}") from error
    if not isinstance(read, Mapping):
        raise ConfigurationError(f"{where} is no OpenAPI document: it is a {type(read).__name__}")
    return cast("Mapping[str, Any]", read)


def _yaml_parser() -> Callable[[str], Any]:
    try:
        import yaml  # noqa: PLC0415 - see `http_library`
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{_MISSING}: {error}") from error

    class Loader(yaml.SafeLoader):
        """Leaves dates the text that they are in JSON."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def parse(text: str) -> Any:
        try:
            return yaml.load(text, Loader)  # noqa: S506 - a safe loader, as above
        except yaml.YAMLError as error:
            raise ValueError(error) from error

    return parse


_MISSING = "OpenAPITool needs libraries that are not installed; install towpath[openapi]"


def http_library() -> Any:
    """Import `httpx`, which only those need who use such tools.

    Raises:
        ConfigurationError: If it is not installed.
    """
    try:
        import httpx  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"{_MISSING}: {error}") from error
    return httpx
