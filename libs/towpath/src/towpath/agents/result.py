"""What a run of an agent gives."""

from functools import cached_property
from typing import Any, Literal, cast

from pydantic_core import from_json

from towpath.models.port import Message, StopReason
from towpath.tools.tool import ToolCall
from towpath_schemas.journal import Usage
from towpath_schemas.shape import Shape

AgentStatus = Literal["completed", "max_iterations"]


class AgentResult(Shape):
    """The answer of an agent, and what it took to get there.

    Where the text of the answer is a JSON object, its fields are attributes as well.

    Attributes:
        output: The text of the answer.
        status: Whether the agent finished, or was stopped at `max_iterations`.
        message: The model's last message.
        stop_reason: Why the model stopped.
        usage: Tokens of all model calls together.
        tool_calls: All tool calls that were made, in order.
        iterations: How often a model was called.
        agent: Who answered in the end.
        handoff_to: The agent to whom the conversation was handed last, if it was.
    """

    output: str
    status: AgentStatus = "completed"
    message: Message
    stop_reason: StopReason = "end_turn"
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    iterations: int = 1
    agent: str
    handoff_to: str | None = None

    def __str__(self) -> str:
        return self.output

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._said:
            return self._said[name]
        raise AttributeError(f"an AgentResult has no {name!r}, and its output is no JSON object that has")

    @cached_property
    def _said(self) -> dict[str, Any]:
        try:
            said: Any = from_json(self.output)
        except ValueError:
            return {}
        return cast("dict[str, Any]", said) if isinstance(said, dict) else {}
