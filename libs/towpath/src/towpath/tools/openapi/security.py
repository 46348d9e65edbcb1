"""Credentials: which of them an operation wants, and where in a request they go."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from towpath.errors import ConfigurationError
from towpath.tools.openapi.document import Document
from towpath.tools.openapi.parameters import Pairs

Credential = str | tuple[str, str]
"""A key or token; or user and password."""
Credentials = Credential | Mapping[str, Credential]
"""By the names of the document's security schemes; or one, for all of them."""


class Authorisation(NamedTuple):
    """What a request carries to be let in."""

    headers: dict[str, str]
    query: Pairs
    cookies: dict[str, str]


NOTHING = Authorisation({}, [], {})


class Security:
    """The security schemes of a document, and the credentials that were given for them.

    Raises:
        ConfigurationError: If credentials are given for a scheme that the document has not, or of another kind.
    """

    def __init__(self, document: Document, given: Credentials | None) -> None:
        components = cast("Mapping[str, Any]", document.content.get("components") or {})
        said = cast("Mapping[str, Any]", components.get("securitySchemes") or {})
        self._schemes = {
            name: cast("Mapping[str, Any]", document.seen(scheme)) for name, scheme in said.items()
        }
        self._given = _by_name(given, self._schemes)

    def authorise(self, wanted: Sequence[Mapping[str, Any]]) -> Authorisation:
        """Make what a request carries: of the alternatives that an operation has, the first for which all is there."""
        for alternative in wanted:
            if alternative and all(name in self._given for name in alternative):
                return _together([self._made(name) for name in alternative])
        return NOTHING

    def _made(self, name: str) -> Authorisation:
        scheme, credential = self._schemes[name], self._given[name]
        match scheme:
            case {"type": "apiKey", "in": place, "name": str() as field}:
                return _key(str(place), field, _text(name, credential))
            case {"type": "http", "scheme": str() as kind} if kind.lower() == "basic":
                return Authorisation({"Authorization": f"Basic {_basic(name, credential)}"}, [], {})
            case _:
                return Authorisation({"Authorization": f"Bearer {_text(name, credential)}"}, [], {})


def _by_name(given: Credentials | None, schemes: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Credential]:
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return dict.fromkeys(schemes, given)
    unknown = [name for name in given if name not in schemes]
    if unknown:
        there_is = ", ".join(schemes) or "none"
        raise ConfigurationError(
            f"auth: the document has no security scheme {unknown[0]!r}; there is: {there_is}"
        )
    return given


def _key(place: str, field: str, key: str) -> Authorisation:
    match place:
        case "query":
            return Authorisation({}, [(field, key)], {})
        case "cookie":
            return Authorisation({}, [], {field: key})
        case _:
            return Authorisation({field: key}, [], {})


def _text(name: str, credential: Credential) -> str:
    if not isinstance(credential, str):
        raise ConfigurationError(f"auth: security scheme {name!r} wants one text, a key or a token")
    return credential


def _basic(name: str, credential: Credential) -> str:
    if isinstance(credential, str):
        raise ConfigurationError(f"auth: security scheme {name!r} wants (user, password)")
    return b64encode(":".join(credential).encode()).decode()


def _together(parts: Sequence[Authorisation]) -> Authorisation:
    headers = {key: value for part in parts for key, value in part.headers.items()}
    cookies = {key: value for part in parts for key, value in part.cookies.items()}
    return Authorisation(headers, [pair for part in parts for pair in part.query], cookies)
