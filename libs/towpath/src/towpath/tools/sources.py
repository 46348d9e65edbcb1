"""Where tools come from that are known only at run time, such as those of an MCP server."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from towpath.tools.tool import Tool


class ToolSource(ABC):
    """Gives an agent tools at the beginning of each of its runs; it stands in the agent's `tools`.

    Without an agent, `ctx.llm.generate(..., tools=await source.tools(ctx))` offers them to a model.
    """

    @abstractmethod
    async def tools(self, context: Any) -> Sequence[Tool]:
        """Tell which tools there are; a durable act of the run, so that a replay has the same.

        Raises:
            ComponentError: If that cannot be found out.
        """

    @abstractmethod
    async def close(self) -> None:
        """Give up what it holds; it can still be used, and then opens it again."""
