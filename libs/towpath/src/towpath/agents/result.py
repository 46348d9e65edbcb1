"""What a run of an agent gives."""

from functools import cached_property
from typing import Any, Literal, cast

from pydantic import BaseModel, Field, field_serializer, field_validator
from pydantic_core import from_json, to_json

from towpath.agents.content import DictMessage, dict_messages, port_messages
from towpath.agents.interrupts import Interrupt
from towpath.agents.metrics import AgentMetrics
from towpath.errors import BudgetExhaustedError, MaxTokensError
from towpath.models.port import Message
from towpath.set_order import with_sets_in_order
from towpath.tools.calls import ToolCall
from towpath.values import MAX_DEPTH
from towpath_schemas.shape import Shape
from towpath_schemas.usage import Usage

AgentStatus = Literal["completed", "paused", "cancelled", "failed", "max_iterations", "budget"]

_STATUSES: dict[str, AgentStatus] = {
    "interrupt": "paused",
    "cancelled": "cancelled",
    "limit_turns": "max_iterations",
    "budget": "budget",
}


def status_of(stop_reason: str) -> AgentStatus:
    """Tell what a stop reason means for the run; the model's own reasons mean that it has ended."""
    return _STATUSES.get(stop_reason, "completed")


def _fields(said: object) -> dict[str, Any]:
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _is_empty(value: Any) -> bool:
    return value is None or value in ({}, ())


class AgentResult(Shape):
    """The answer of an agent, and what it took to get there.

    The fields of the structured output, or of a text that is a JSON object, are attributes as well. Between processes
    a message is written as models are told it, and `metrics` stays behind.

    Attributes:
        output: The structured output; else the text of the answer.
        status: Whether the agent finished, or what stopped it.
        message: The model's last message, as a dict of content blocks.
        stop_reason: Why it stopped: what the model says (`end_turn`, `tool_use`, `max_tokens`, ...), or `cancelled`,
            `interrupt`, `limit_turns`, `budget`.
        usage: Tokens of all model calls together, and what they cost (`usage.cost`, None where nobody said).
        tool_calls: All tool calls that were made, in order.
        iterations: How often a model was called.
        agent: Who answered in the end.
        handoff_to: The agent to whom the conversation was handed last, if it was.
        structured_output: The object that the model was to answer with.
        state: The agent's state, and `request_state`, which tools and hooks wrote.
        interrupts: The questions that have to be answered first, where the status is `paused`.
        run_id: The run that the agent was run in.
        metrics: What it took; of a conversation, what all of its calls took.
    """

    output: Any
    status: AgentStatus = "completed"
    message: DictMessage
    stop_reason: str = "end_turn"
    usage: Usage = Usage()
    tool_calls: tuple[ToolCall, ...] = ()
    iterations: int = 1
    agent: str
    handoff_to: str | None = None
    structured_output: Any = Field(default=None, exclude_if=_is_empty)
    state: dict[str, Any] = Field(default={}, exclude_if=_is_empty)
    interrupts: tuple[Interrupt, ...] = Field(default=(), exclude_if=_is_empty)
    run_id: str | None = Field(default=None, exclude=True)
    metrics: AgentMetrics = Field(default_factory=AgentMetrics, exclude=True, repr=False)

    @field_validator("message", mode="before")
    @classmethod
    def _in_blocks(cls, message: Any) -> Any:
        """Read a message of the port, which is how it travels."""
        match message:
            case Message():
                return dict_messages([message])[0]
            case {"content": str()}:
                return dict_messages([Message.model_validate(message)])[0]
            case _:
                return message

    @field_serializer("message", when_used="json")
    def _as_told(self, message: DictMessage) -> Message:
        return port_messages(message)[-1]

    def __str__(self) -> str:
        if self.interrupts:
            return str([interrupt.to_dict() for interrupt in self.interrupts])
        if self.structured_output is not None:
            return to_json(with_sets_in_order(self.structured_output, MAX_DEPTH)).decode()
        return "".join(f"{block['text']}\n" for block in self.message["content"] if "text" in block)

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._said:
            return self._said[name]
        raise AttributeError(f"an AgentResult has no {name!r}, and its output is no JSON object that has")

    @cached_property
    def _said(self) -> dict[str, Any]:
        """The fields of what the model said, where that is an object."""
        said = self.output if self.structured_output is None else self.structured_output
        if isinstance(said, BaseModel):
            return {name: getattr(said, name) for name in type(said).model_fields}
        if isinstance(said, str):
            try:
                said = from_json(said)
            except ValueError:
                return {}
        return _fields(said)

    @property
    def context_size(self) -> int:
        """Tokens that the last model call read."""
        return self.metrics.latest_usage.input_tokens

    @property
    def projected_context_size(self) -> int:
        """Tokens that the next model call reads at least."""
        last = self.metrics.latest_usage
        return last.input_tokens + last.output_tokens

    def raise_for_stop(self) -> "AgentResult":
        """Return the result, unless the answer was cut off, or something was spent before there was one.

        Raises:
            MaxTokensError: If the model stopped at its token limit.
            BudgetExhaustedError: If a budget was exhausted.
        """
        if self.stop_reason == "max_tokens":
            raise MaxTokensError(self.agent)
        if self.status == "budget":
            raise BudgetExhaustedError(f"what {self.agent} may spend is spent; give it more, or ask for less")
        return self

    def to_dict(self) -> dict[str, Any]:
        """Write what a conversation needs of it."""
        return {"type": "agent_result", "message": self.message, "stop_reason": self.stop_reason}

    @classmethod
    def from_dict(cls, written: dict[str, Any]) -> "AgentResult":
        """Read what `to_dict` wrote."""
        text = "\n".join(block["text"] for block in written["message"]["content"] if "text" in block)
        stop_reason = written["stop_reason"]
        return cls(
            output=text,
            message=written["message"],
            stop_reason=stop_reason,
            status=status_of(stop_reason),
            agent=written.get("agent", "agent"),
        )
