"""What a run of an agent gives."""

from typing import Literal

from towpath.models.port import Message, StopReason
from towpath.tools.tool import ToolCall
from towpath_schemas.journal import Usage
from towpath_schemas.shape import Shape

AgentStatus = Literal["completed", "max_iterations"]


class AgentResult(Shape):
    """The answer of an agent, and what it took to get there.

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
