"""`HostedTool`: a function or tool of another service, as a tool of an agent here."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from towpath.argument_types import check_arguments
from towpath.errors import ComponentError, ConfigurationError
from towpath.retry import ONCE, RetryPolicy
from towpath.tools.confirmation import Confirmation
from towpath.tools.tool import Errand, Tool

_ENDPOINT = re.compile(r"(?:towpath|agnt5)://(?P<service>[^/?#\s]+)/(?P<handler>[^/?#\s]+)")
_ANY_OBJECT: Mapping[str, Any] = {"type": "object", "properties": {}}


class Endpoint(NamedTuple):
    """Whose function or tool, and which."""

    service: str
    handler: str

    @classmethod
    def read(cls, endpoint: str) -> "Endpoint":
        """Read `towpath://service/handler`.

        Raises:
            ConfigurationError: If it is written otherwise.
        """
        found = _ENDPOINT.fullmatch(endpoint)
        if found is None:
            raise ConfigurationError(f"endpoint={endpoint!r}: write towpath://<service>/<handler>")
        return cls(found["service"], found["handler"])


class HostedTool(Tool):
    """A tool that another service does: on the platform, its tool-runner, as one durable act of the run.

    In process there is no other service; then the handler is the function or tool of this name that is registered
    here.

    Args:
        name: What the model calls it by.
        description: What it does, for the model.
        endpoint: `towpath://service/handler`.
        input_schema: JSON Schema of its arguments; any object if not given. The handler has the last word.
        confirmation: Whether a person must say yes to each call, and how; needed where the handler is a tool that
            wants it.
        timeout_s: Seconds one attempt may take, in process; elsewhere the handler says.
        retry: How often it is tried, in process; elsewhere the handler says.

    Raises:
        ConfigurationError: If `endpoint` cannot be read.
    """

    @check_arguments
    def __init__(
        self,
        name: str,
        description: str,
        endpoint: str,
        input_schema: Mapping[str, Any] | None = None,
        *,
        confirmation: bool | Confirmation = False,
        timeout_s: float | None = None,
        retry: RetryPolicy = ONCE,
    ) -> None:
        self.endpoint = Endpoint.read(endpoint)
        super().__init__(
            name,
            description,
            _ANY_OBJECT if input_schema is None else input_schema,
            self._call_here,
            confirmation=confirmation,
            timeout_s=timeout_s,
            retry=retry,
            check_arguments=False,
        )

    async def _call_here(self, ctx: Any, /, **arguments: Any) -> Any:
        service, handler = self.endpoint
        try:
            return await ctx.task(service, handler, arguments)
        except ComponentError as error:
            if error.failure.code != "unknown_component":
                raise
            message = (
                f"{self.name} is done by service {service!r} on the platform; to have it in process, import the "
                f"module that defines {handler!r}"
            )
            raise ComponentError(error.failure.model_copy(update={"message": message})) from error

    def register(self) -> None:
        """Do nothing: it is the other service that offers it, perhaps by this very name."""

    def errand(self, arguments: Any) -> Errand:
        """Name the service and its handler; see `Tool.errand`."""
        return Errand(*self.endpoint, arguments)
