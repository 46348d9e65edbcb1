"""Agents as tools: a model asks another agent, which answers in the caller's own run, and goes on itself."""

import re
from collections.abc import Coroutine
from typing import Any, Protocol

from towpath.argument_types import check_arguments
from towpath.errors import ApprovalRequiredError, InterruptError
from towpath.failures import failure_of
from towpath.tools.calls import ToolCall, ToolOutcome
from towpath.tools.results import ToolResult
from towpath.tools.tool import Tool
from towpath.tools.tool_context import ToolContext

_LONGEST_NAME = 64
_INPUT = {
    "type": "object",
    "properties": {"input": {"type": "string", "description": "What the agent is told."}},
    "required": ["input"],
}


class Delegate(Protocol):
    """What has to be known of an agent to ask it."""

    @property
    def label(self) -> str:
        """What it is called in journals."""
        ...

    @property
    def description(self) -> str:
        """What it is good for."""
        ...

    def delegated(
        self, context: Any, prompt: str, tool_context: ToolContext, *, preserve_context: bool
    ) -> Coroutine[Any, Any, ToolResult]:
        """Answer as a tool."""
        ...

    def check_delegate(self, *, preserve_context: bool) -> None:
        """Refuse to be a tool.

        Raises:
            ConfigurationError: If it cannot be one in this way.
        """
        ...


class AgentTool(Tool):
    """An agent as a tool with one parameter, `input`.

    It answers in the run of whoever asks: what its model and its tools do is journaled there, and where the caller
    speaks in a session and it has none of its own, its turn is kept there too. What it tells on the way is told as
    what the tool yields; questions to a person are the caller's.

    Args:
        target_agent: The `Agent` that answers.
        name: What models call it by; the agent's name in lower case, with `_` for what names cannot hold.
        description: What it is good for; the agent's description if not given.
        preserve_context: Whether it goes on with the conversation that it has by itself; else each call is a run of
            its own, and any number may be under way at once.

    Raises:
        ConfigurationError: If the agent keeps its conversation in a session manager, and the context is not preserved.
    """

    in_run = True

    @check_arguments
    def __init__(
        self,
        target_agent: Delegate,
        *,
        name: str | None = None,
        description: str | None = None,
        preserve_context: bool = False,
    ) -> None:
        target_agent.check_delegate(preserve_context=preserve_context)
        self.target_agent = target_agent

        async def ask(ctx: Any, input: str, tool_context: ToolContext) -> ToolResult:  # noqa: A002 - what models know
            return await target_agent.delegated(ctx, input, tool_context, preserve_context=preserve_context)

        about = (
            description
            or target_agent.description
            or f"Ask the agent {target_agent.label}; it answers in words."
        )
        super().__init__(name or slug(target_agent.label), about, _INPUT, ask)

    def register(self) -> None:
        """Do nothing: it runs where its caller does, so that tool-runners need not find it."""

    async def execute(self, context: Any, call: ToolCall) -> ToolOutcome:
        """Ask the agent; see `Tool.execute`.

        Raises:
            InterruptError: If a person has to be asked first.
            ApprovalRequiredError: If that is so, and nobody can be.
        """
        try:
            content = await self.component.execute(context, call.arguments)
        except (InterruptError, ApprovalRequiredError):
            raise
        except Exception as error:  # noqa: BLE001 - any error of a tool is an answer to the model
            return ToolOutcome(call_id=call.id, error=failure_of(error))
        return ToolOutcome(call_id=call.id, content=content)


def slug(name: str) -> str:
    """Write a name as models can call it.

    >>> slug("Elsai Agents")
    'elsai_agents'
    """
    return re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_")[:_LONGEST_NAME] or "agent"
