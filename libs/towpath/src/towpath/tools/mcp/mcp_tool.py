"""`MCPTool`: the tools of an MCP server, as tools of an agent."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from towpath.argument_types import check_arguments
from towpath.errors import ComponentError, ConfigurationError
from towpath.failures import component_error
from towpath.tools.calls import ToolCall
from towpath.tools.confirmation import Confirmation
from towpath.tools.mcp.servers import McpServer, Wire
from towpath.tools.sources import ToolSource
from towpath.tools.tool import Errand, Tool
from towpath_schemas.failure import Failure

if TYPE_CHECKING:
    from towpath.tools.mcp.connections import Connection

_MAX_NAME_CHARS = 64
"""How long the names of tools may be for models."""


class MCPTool(ToolSource):
    """The tools of an MCP server; each is a tool named `<name>_<tool>`.

    At the beginning of each run the server is asked what it has. One connection is shared by all that use the server
    in an event loop, and is made again when the server has been away. On the platform both the list and the calls are
    acts of the run, done by the tool-runner; an agent-runner opens no connection.

    Args:
        name: What the names of its tools begin with.
        mcp_server_url: Its address, for streamable HTTP; one that ends in `/sse` is spoken to over SSE.
        command: The program that is such a server, with its arguments, where there is no address.
        capabilities: The tools that are wanted, by the server's own names; all if not given.
        headers: Sent with every request, such as `{"Authorization": "Bearer ..."}`.
        env: What is added to the environment of the program.
        cwd: Where the program runs.
        transport: `http`, `sse` or `stdio`, where that does not follow from the rest.
        confirmation: Whether a person must say yes to each call, and how.
        timeout_s: Seconds one call may take.
        connect_timeout_s: Seconds in which the server must be there, a restart included.

    Raises:
        ConfigurationError: If there is not exactly one of `mcp_server_url` and `command`.
    """

    @check_arguments
    def __init__(
        self,
        name: str,
        mcp_server_url: str | None = None,
        *,
        command: Sequence[str] = (),
        capabilities: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        transport: Wire | None = None,
        confirmation: bool | Confirmation = False,
        timeout_s: float = 60.0,
        connect_timeout_s: float = 30.0,
    ) -> None:
        if bool(mcp_server_url) == bool(command):
            raise ConfigurationError(
                f"MCPTool({name!r}): give mcp_server_url, or the command of a server of your own"
            )
        self.name = name
        self.capabilities = None if capabilities is None else tuple(capabilities)
        self.confirmation = confirmation
        self.timeout_s = timeout_s
        self.server = McpServer(
            wire=transport or _wire(mcp_server_url),
            url=mcp_server_url or "",
            headers=tuple(sorted((headers or {}).items())),
            command=tuple(command),
            env=tuple(sorted((env or {}).items())),
            cwd=cwd,
            connect_timeout_s=connect_timeout_s,
        )
        self._lister, self._caller = _Lister(self), _Caller(self)
        for errand in (self._lister, self._caller):  # tool-runners do both
            errand.register()

    async def tools(self, context: Any) -> tuple[Tool, ...]:
        """Ask the server what it has; see `ToolSource`.

        Raises:
            ComponentError: If the server cannot be reached, or lacks one of the `capabilities`.
        """
        lister = self._lister
        outcome = await context.invoke_tool(lister, ToolCall(id=lister.name, name=lister.name))
        if outcome.error is not None:
            raise component_error(outcome.error)
        return tuple(_ServerTool(self, self._caller, told) for told in self._wanted(outcome.content))

    def _wanted(self, listed: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        if self.capabilities is None:
            return list(listed)
        by_name = {told["name"]: told for told in listed}
        unknown = [name for name in self.capabilities if name not in by_name]
        if unknown:
            there_is = ", ".join(by_name) or "nothing"
            message = f"MCP server {self.name!r} has no {', '.join(unknown)}; there is: {there_is}"
            raise ComponentError(Failure(code="unknown_component", message=message))
        return [by_name[name] for name in self.capabilities]

    async def close(self) -> None:
        """Close the connection, unless others use it; see `ToolSource`."""
        from towpath.tools.mcp.connections import close_connection  # noqa: PLC0415 - see `_connection`

        await close_connection(self.server, self)


class _Lister(Tool):
    """What lists the tools of a server; no model is told of it."""

    def __init__(self, source: MCPTool) -> None:
        async def list_tools() -> list[dict[str, Any]]:
            found = await _connection(source).listed(timeout_s=source.timeout_s)
            return [_listed(one) for one in found]

        description = f"Lists the tools of the MCP server {source.server}."
        super().__init__(f"{source.name}:tools", description, None, list_tools, idempotent=True)


def _listed(one: Any) -> dict[str, Any]:
    says = one.annotations
    return {
        "name": one.name,
        "description": one.description or one.title or "",
        "input_schema": one.input_schema,
        "repeatable": bool(says and (says.read_only_hint or says.idempotent_hint)),
    }


class _Caller(Tool):
    """What calls the tools of a server; no model is told of it."""

    def __init__(self, source: MCPTool) -> None:
        async def call_tool(tool: str, arguments: dict[str, Any], *, repeatable: bool = False) -> Any:
            if source.capabilities is not None and tool not in source.capabilities:
                message = f"{tool!r} is none of the capabilities of MCP server {source.name!r}"
                raise ComponentError(Failure(code="forbidden", message=message))
            from towpath.tools.mcp.content import result_of  # noqa: PLC0415 - see `_connection`

            connection = _connection(source)
            return result_of(
                await connection.called(tool, arguments, timeout_s=source.timeout_s, repeatable=repeatable)
            )

        description = f"Calls the tools of the MCP server {source.server}."
        super().__init__(
            f"{source.name}:call", description, None, call_tool, confirmation=source.confirmation
        )


class _ServerTool(Tool):
    """One tool of a server; the server has the last word about arguments."""

    def __init__(self, source: MCPTool, caller: Tool, told: Mapping[str, Any]) -> None:
        async def call(ctx: Any, /, **arguments: Any) -> Any:
            return await caller.component.execute(ctx, self.errand(arguments).arguments)

        self._caller = caller.name
        self._told = told
        super().__init__(
            _tool_name(source.name, told["name"]),
            told["description"],
            told["input_schema"],
            call,
            confirmation=source.confirmation,
            check_arguments=False,
        )

    def errand(self, arguments: Any) -> Errand:
        """Have what calls the tools of the server call this one; see `Tool.errand`."""
        asked = {"tool": self._told["name"], "arguments": arguments, "repeatable": self._told["repeatable"]}
        return Errand(None, self._caller, asked)


def _connection(source: MCPTool) -> "Connection":
    """Return the connection to the server of a source; the library is imported where one is used.

    Raises:
        ConfigurationError: If the library is not installed.
    """
    try:
        from towpath.tools.mcp.connections import connection_to  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise ConfigurationError("MCPTool needs the mcp library; install towpath[mcp]") from error
    return connection_to(source.server, source)


def _wire(url: str | None) -> Wire:
    if url is None:
        return "stdio"
    return "sse" if url.rstrip("/").endswith("/sse") else "http"


def _tool_name(source: str, tool: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", f"{source}_{tool}")[:_MAX_NAME_CHARS]
