"""Our tools as an MCP server: on standard input and output, or over streamable HTTP."""

import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from typing import Any

import uvicorn
from mcp import stdio_server
from mcp.server import Server
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, Tool as ListedTool

from towpath.components import REGISTRY, Component, ComponentType, Registry
from towpath.errors import ComponentError, ConfigurationError
from towpath.local.local_context import LocalContext
from towpath.local.surroundings import Surroundings
from towpath.tools.calls import ToolOutcome
from towpath.tools.mcp.content import said_of
from towpath.tools.results import tool_result
from towpath.tools.tool import Tool

_NOT_FOR_MODELS = ":"
"""What the names of tools hold that are of use to other tools only."""


def registered_tools(registry: Registry = REGISTRY) -> list[Component]:
    """List the tools that are registered.

    Raises:
        ConfigurationError: If there is none.
    """
    found = [one for one in registry if one.kind is ComponentType.TOOL and _NOT_FOR_MODELS not in one.name]
    if not found:
        raise ConfigurationError("there is no tool to serve: decorate one with @tool, and import its module")
    return found


def mcp_server(tools: Iterable[Tool | Component], name: str = "towpath") -> Server[Any]:
    """Make an MCP server of tools; each call runs in this process, in a context of its own.

    A tool that wants a person's yes is refused, unless a handler is set with `confirming`.
    """
    served = Registry()
    for tool in tools:
        served.add(tool.component if isinstance(tool, Tool) else tool)

    async def on_list(_context: Any, _asked: Any) -> ListToolsResult:
        return ListToolsResult(tools=[_listed(component) for component in served])

    async def on_call(_context: Any, asked: CallToolRequestParams) -> CallToolResult:
        return await _called(served, asked)

    return Server(name, on_list_tools=on_list, on_call_tool=on_call)


async def serve_stdio(tools: Iterable[Tool | Component], name: str = "towpath") -> None:
    """Serve tools on standard input and output, until the input ends; what tools print goes to standard error."""
    server = mcp_server(tools, name)
    async with stdio_server() as (reading, writing):
        with redirect_stdout(sys.stderr):
            await server.run(reading, writing, server.create_initialization_options())


async def serve_http(
    tools: Iterable[Tool | Component], host: str = "127.0.0.1", port: int = 8000, name: str = "towpath"
) -> None:
    """Serve tools at `http://<host>:<port>/mcp`, until the process is told to end."""
    config = uvicorn.Config(
        http_app(tools, name, host=host), host=host, port=port, log_level="warning", ws="none"
    )
    await uvicorn.Server(config).serve()


def http_app(tools: Iterable[Tool | Component], name: str = "towpath", *, host: str = "127.0.0.1") -> Any:
    """Make an ASGI app that serves tools at `/mcp`.

    Args:
        tools: What is served.
        name: What the server calls itself.
        host: Where it will listen; on this machine only, requests that come by another name are refused.
    """
    return mcp_server(tools, name).streamable_http_app(host=host)


def _listed(component: Component) -> ListedTool:
    schema = dict(component.input_schema)
    return ListedTool(name=component.name, description=component.description, input_schema=schema)


async def _called(served: Registry, asked: CallToolRequestParams) -> CallToolResult:
    context = LocalContext(component_type=ComponentType.TOOL, surroundings=Surroundings(registry=served))
    outcome = ToolOutcome(call_id=context.run_id)
    try:
        content = await context.task("mcp", asked.name, asked.arguments or {})
    except ComponentError as error:
        outcome = outcome.model_copy(update={"error": error.failure})
    else:
        outcome = outcome.model_copy(update={"content": content})
    return said_of(tool_result(outcome))
