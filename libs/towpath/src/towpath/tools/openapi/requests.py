"""Makes the request of an operation, and reads what is answered."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, cast
from urllib.parse import quote, urlencode

from pydantic_core import from_json, to_json

from towpath.errors import ComponentError, UnavailableError
from towpath.tools.openapi.document import http_library
from towpath.tools.openapi.operations import Operation, RequestBody
from towpath.tools.openapi.parameters import Pairs, header, pairs, segment, text
from towpath.tools.openapi.security import Authorisation
from towpath_schemas.failure import Failure

MAX_ANSWER_BYTES = 16 * 2**20
_SHOWN_CHARS = 2_000
_UNAUTHORIZED = 401
_TRY_AGAIN = frozenset({408, 429, 502, 503, 504})

_clients: dict[asyncio.AbstractEventLoop, Any] = {}


def _client() -> Any:
    """Return the client of this event loop: connections are shared, and TLS is set up once."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for closed in [one for one in _clients if one.is_closed()]:
            del _clients[closed]
        _clients[loop] = http_library().AsyncClient()
    return _clients[loop]


async def close_client() -> None:
    """Close the connections that tools of this event loop have open; the next call opens others."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.aclose()


async def request(
    operation: Operation,
    base_url: str,
    arguments: Mapping[str, Any],
    authorisation: Authorisation,
    headers: Mapping[str, str],
    *,
    timeout_s: float,
) -> Any:
    """Make a request, and return what is answered: JSON, text, or bytes.

    Raises:
        ComponentError: If it is answered with an error, or with too much.
        UnavailableError: If nobody answers at the address.
        TimeoutError: If that takes too long.
    """
    httpx = http_library()
    what = f"{operation.method.upper()} {operation.path}"
    body, kind = _body(operation.body, arguments)
    made = _client().build_request(
        operation.method.upper(),
        _url(operation, base_url, arguments, authorisation),
        headers={**_headers(operation, arguments, authorisation), **kind, **headers},
        timeout=timeout_s,
        **body,
    )
    try:
        answer = await _client().send(made, stream=True)
        async with aclosing(answer):
            content = await _read(answer, what)
    except httpx.TimeoutException as error:
        raise TimeoutError(f"{what}: no answer from {base_url} in {timeout_s:g} s") from error
    except httpx.TransportError as error:
        raise UnavailableError(
            f"{what}: {base_url} cannot be reached: {error or type(error).__name__}"
        ) from error
    if not answer.is_success:
        raise ComponentError(_failure(what, answer, content))
    return _content(answer, content)


# --- Asking -------------------------------------------------------------------------------------------


def _url(
    operation: Operation, base_url: str, arguments: Mapping[str, Any], authorisation: Authorisation
) -> str:
    path, query = operation.path, Pairs()
    for one in operation.parameters:
        if one.argument in arguments and one.place == "path":
            path = path.replace(f"{{{one.name}}}", segment(one, arguments[one.argument]))
        elif one.argument in arguments and one.place == "query":
            query += pairs(one, arguments[one.argument])
    query += authorisation.query
    return f"{base_url}{path}?{urlencode(query, quote_via=quote)}" if query else f"{base_url}{path}"


def _headers(
    operation: Operation, arguments: Mapping[str, Any], authorisation: Authorisation
) -> dict[str, str]:
    given = [one for one in operation.parameters if one.argument in arguments]
    headers = {one.name: header(one, arguments[one.argument]) for one in given if one.place == "header"}
    cookies = [pair for one in given if one.place == "cookie" for pair in pairs(one, arguments[one.argument])]
    cookies += authorisation.cookies.items()
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={quote(value)}" for name, value in cookies)
    return {"Accept": "application/json, */*;q=0.5", **headers, **authorisation.headers}


def _body(body: RequestBody | None, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Write the body, and its `Content-Type`."""
    if body is None or body.argument not in arguments:
        return {}, {}
    value = arguments[body.argument]
    match body.media_type:
        case "application/x-www-form-urlencoded":
            return {"content": urlencode(_fields(value))}, {"Content-Type": body.media_type}
        case "multipart/form-data":
            return {"files": [(name, (None, said)) for name, said in _fields(value)]}, {}
        case "text/plain":
            return {"content": text(value)}, {"Content-Type": "text/plain; charset=utf-8"}
        case _:
            return {"content": to_json(value)}, {"Content-Type": body.media_type}


def _fields(value: Mapping[str, Any]) -> Pairs:
    listed = {
        name: cast("list[Any]", said) if isinstance(said, list) else [said] for name, said in value.items()
    }
    return [(name, text(item)) for name, items in listed.items() for item in items]


# --- Being answered -----------------------------------------------------------------------------------


async def _read(answer: Any, what: str) -> bytes:
    content = bytearray()
    async for chunk in answer.aiter_bytes():
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            message = f"{what}: the answer has over {MAX_ANSWER_BYTES} bytes; ask for less"
            raise ComponentError(Failure(code="payload_too_large", message=message))
    return bytes(content)


def _content(answer: Any, content: bytes) -> Any:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not content:
        return ""
    if kind == "application/json" or kind.endswith("+json"):
        try:
            return from_json(content)
        except ValueError:
            return content.decode(errors="replace")
    if kind.startswith("text/") or kind in {"application/xml", "application/yaml", ""}:
        return content.decode(answer.charset_encoding or "utf-8", errors="replace")
    return content


def _failure(what: str, answer: Any, content: bytes) -> Failure:
    said = content.decode(errors="replace").strip()[:_SHOWN_CHARS]
    if answer.is_redirect:
        said = f"it has moved to {answer.headers.get('location', 'elsewhere')}; correct base_url"
    hint = "; give credentials with auth=" if answer.status_code == _UNAUTHORIZED else ""
    after = answer.headers.get("retry-after", "")
    return Failure(
        code="user_error",
        message=f"{what} was answered with {answer.status_code} {answer.reason_phrase}{hint}: {said}".rstrip(
            ": "
        ),
        retryable=answer.status_code in _TRY_AGAIN,
        retry_after_s=float(after) if after.isdigit() else None,
    )
