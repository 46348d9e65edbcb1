"""A real MCP server, written with the `mcp` library: `python -m towpath_testkit.mcp_server` speaks on standard streams."""

import asyncio
import os
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import ImageContent, TextContent, ToolAnnotations

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
"""A picture of one pixel: PNG as base64."""


class Calls:
    """What the tools of a server have done.

    Attributes:
        added: How often `add` was called.
        may_end: Set for `wait` to end.
    """

    def __init__(self) -> None:
        self.added = 0
        self.may_end = asyncio.Event()


def sample_server(calls: Calls) -> MCPServer:
    """Make a server with tools of many kinds."""
    server = MCPServer("sample")

    @server.tool()
    def add(a: int, b: int) -> int:
        """Add two numbers."""
        calls.added += 1
        return a + b

    @server.tool()
    def fail(why: str) -> str:
        """Fail."""
        raise ToolError(why)

    @server.tool()
    def draw() -> list[Any]:
        """Draw a picture."""
        picture = ImageContent(type="image", data=PIXEL, mime_type="image/png")
        return [TextContent(type="text", text="a pixel"), picture]

    @server.tool()
    def locate(city: str) -> dict[str, Any]:
        """Find a city."""
        return {"city": city, "country": "NL"}

    @server.tool()
    async def wait(sign: str = "") -> str:
        """Wait until it may end; a file at `sign` says that it has begun."""
        if sign:
            await asyncio.to_thread(Path(sign).touch)
        await calls.may_end.wait()
        return "waited"

    @server.tool(annotations=ToolAnnotations(read_only_hint=True))
    def process_id() -> str:
        """Tell the id of the server's process."""
        return str(os.getpid())

    @server.tool()
    def variable(name: str) -> str:
        """Read a variable of the environment."""
        return os.environ.get(name, "not set")  # noqa: TID251 - what it has inherited is what it tells

    return server


if __name__ == "__main__":
    asyncio.run(sample_server(Calls()).run_stdio_async())
