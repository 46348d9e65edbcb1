"""`OpenAPITool`: the operations of an HTTP service, as tools."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from towpath.argument_types import check_arguments
from towpath.errors import ConfigurationError
from towpath.retry import ONCE, RetryPolicy
from towpath.tools.confirmation import Confirmation
from towpath.tools.openapi.document import Document
from towpath.tools.openapi.operations import Found, base_url as base_url_of, found_in, read_operation
from towpath.tools.openapi.requests import request
from towpath.tools.openapi.security import Credentials, Security
from towpath.tools.tool import Tool

_REPEATABLE = frozenset({"get", "head", "options", "put", "delete", "trace"})
"""Methods that may be repeated by their definition (RFC 9110)."""
_MAX_NAME_CHARS = 64
_MAX_SHOWN = 20


class OpenAPITool:
    """Makes tools of an OpenAPI document; see `from_spec`."""

    @classmethod
    @check_arguments
    def from_spec(
        cls,
        spec_url: str | Path | Mapping[str, Any],
        operations: Sequence[str] | None = None,
        *,
        base_url: str | None = None,
        auth: Credentials | None = None,
        headers: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        name: str | None = None,
        confirmation: bool | Confirmation = False,
        timeout_s: float = 30.0,
        retry: RetryPolicy = ONCE,
    ) -> list[Tool]:
        """Make a tool of each operation; its arguments are the parameters by name, and `body`.

        An address is fetched at once, and blocks meanwhile: do it where the program begins.

        Args:
            spec_url: The document, OpenAPI 3.0 or 3.1 in JSON or YAML: its URL, its file, or the mapping itself.
            operations: The operations that are wanted: by `operationId`, or as `GET /path`; all if not given.
            base_url: Where the service is, in place of what the document says.
            auth: A key, a token or (user, password), by the names of the document's security schemes; or one for all.
                It is sent, and written down nowhere.
            headers: Sent with every request.
            variables: Values of variables in the addresses of servers.
            name: What the names of the tools begin with, followed by `_`.
            confirmation: Whether a person must say yes to each call, and how.
            timeout_s: Seconds a request may take.
            retry: How often a call is tried; once if not given.

        Raises:
            ConfigurationError: If the document cannot be read, has no such operation, or one that cannot be a tool.
        """
        document = Document.read(spec_url)
        security = Security(document, auth)
        wanted = _wanted(list(found_in(document)), operations)

        def made(found: Found) -> Tool:
            operation = read_operation(document, found)
            where = (base_url or base_url_of(document, operation, variables or {})).rstrip("/")
            authorisation = security.authorise(operation.security)

            async def call(**arguments: Any) -> Any:
                return await request(
                    operation, where, arguments, authorisation, headers or {}, timeout_s=timeout_s
                )

            return Tool(
                (f"{name}_{operation.name}" if name else operation.name)[:_MAX_NAME_CHARS],
                operation.description,
                operation.input_schema,
                call,
                confirmation=confirmation,
                idempotent=operation.method in _REPEATABLE,
                retry=retry,
            )

        return [made(found) for found in wanted]


def _wanted(found: Sequence[Found], names: Sequence[str] | None) -> list[Found]:
    if names is None:
        return list(found)
    return [_called(found, name) for name in names]


def _called(found: Sequence[Found], name: str) -> Found:
    for one in found:
        if one.is_called(name):
            return one
    known = [one.said_id or one.name for one in found]
    near = get_close_matches(name, known, n=5) or known[:_MAX_SHOWN]
    more = "" if len(near) == len(known) else f" and {len(known) - len(near)} others"
    raise ConfigurationError(
        f"the OpenAPI document has no operation {name!r}; there is: {', '.join(near)}{more}"
    )
