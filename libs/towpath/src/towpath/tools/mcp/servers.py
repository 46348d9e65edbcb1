"""Which MCP server is meant."""

from dataclasses import dataclass
from typing import Literal

Wire = Literal["http", "sse", "stdio"]


@dataclass(frozen=True, slots=True)
class McpServer:
    """An MCP server: by its URL, or by the command that starts one of one's own.

    Attributes:
        headers: Sent with every request, as pairs; for credentials.
        command: A program and its arguments; it speaks MCP on its standard input and output.
        env: What is added to its environment, as pairs; it inherits only what every program needs.
        connect_timeout_s: Seconds in which it must be there, a restart included.
    """

    wire: Wire
    url: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    command: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    cwd: str | None = None
    connect_timeout_s: float = 10.0

    def __str__(self) -> str:
        return self.url or " ".join(self.command)
