"""How the wire to an MCP server is opened, and how it is noticed that the server has gone."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Self

from mcp import StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from towpath.tools.mcp.servers import McpServer


@asynccontextmanager
async def watched(server: McpServer, gone: Callable[[], None]) -> AsyncGenerator[tuple[Any, Any]]:
    """Open the wire of a server, and say when the server has gone."""
    async with _opened(server) as (reading, writing):
        yield _Watched(reading, gone), writing


def _opened(server: McpServer) -> AbstractAsyncContextManager[Any]:
    match server.wire:
        case "http":
            return _over_http(server)
        case "sse":
            return sse_client(server.url, headers=dict(server.headers))
        case "stdio":
            program, *arguments = server.command
            environment = dict(server.env)
            return stdio_client(
                StdioServerParameters(command=program, args=arguments, env=environment, cwd=server.cwd)
            )


@asynccontextmanager
async def _over_http(server: McpServer) -> AsyncGenerator[Any]:
    async with (
        create_mcp_http_client(headers=dict(server.headers)) as http,
        streamable_http_client(server.url, http_client=http) as streams,
    ):
        yield streams


class _Watched:
    """A stream to read from that says when it has ended."""

    def __init__(self, stream: Any, ended: Callable[[], None]) -> None:
        self._stream = stream
        self._ended = ended

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        return await self._stream.__aexit__(*error)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return await self._stream.__anext__()
        except BaseException:
            self._ended()
            raise
