"""What an agent tells while it works: one record for each thing, made only if somebody listens."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

from towpath.agents.binary import encoded
from towpath.values import to_json_value

EventType = Literal[
    "thinking",  # a piece of what the model thinks before it speaks
    "response.delta",  # a piece of its text
    "response",  # its text, when the message is complete
    "tool_call",  # a tool is about to be called
    "tool_result",  # what became of it
    "handoff",  # the conversation was handed to another agent
    "plan",  # the plan that the run follows
    "paused",  # the run waits for a person
    "error",  # the run failed
    "result",  # the run has ended
    "init",  # from here on only `stream_async` tells: an invocation begins
    "cycle",  # a model is about to be asked
    "reply",  # the model's answer is complete
    "message",  # a message was added to the conversation
    "signature",  # what the provider wants to see again of what the model thought
    "citation",  # where a part of the text comes from
    "tool_call.delta",  # a piece of a tool call while the model writes it
    "tool_stream",  # a piece of what a tool yields
    "tool_cancelled",  # a hook cancelled a tool call
    "tool_interrupted",  # a hook asked a question before a tool call
    "structured_output",  # the model's answer as an object
    "throttled",  # the model is asked again, after a while
]
PUBLIC: frozenset[EventType] = frozenset(
    {
        "thinking",
        "response.delta",
        "response",
        "tool_call",
        "tool_result",
        "handoff",
        "plan",
        "paused",
        "error",
        "result",
    }
)
"""What `stream` tells; the rest is for `stream_async`."""
PIECES: frozenset[EventType] = frozenset({"thinking", "response.delta"})
"""What leads up to an event that tells it all; a replay tells it at once."""


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that an agent tells.

    Attributes:
        type: What it is about.
        content: Text: of a response, a thought, a handoff (to whom).
        tool_name: Which tool, of a tool's events.
        arguments: With what it is called.
        result: What a tool gave; of `result` the `AgentResult`; of `plan` the plan; of `paused` the interrupts.
        error: What went wrong.
        seq: Its number in the stream, from 1; a piece has the number of the event that it leads up to.
        run_id: The run it belongs to.
        detail: What only `stream_async` tells of it.
    """

    type: EventType
    content: str = ""
    tool_name: str | None = None
    arguments: Any = None
    result: Any = None
    error: Exception | str | None = None
    seq: int = 0
    run_id: str | None = None
    detail: Any = None

    def numbered(self, seq: int, run_id: str | None) -> "Event":
        """Return it with its place in the stream of a run."""
        return replace(self, seq=seq, run_id=run_id)

    def to_dict(self) -> dict[str, Any]:
        """Write it as JSON, without what it does not say."""
        said = {
            "type": self.type,
            "content": self.content,
            "tool_name": self.tool_name,
            "arguments": self.arguments,
            "result": self.result,
            "error": None if self.error is None else str(self.error),
            "seq": self.seq,
            "run_id": self.run_id,
        }
        return to_json_value(encoded({name: one for name, one in said.items() if one not in (None, "")}))


class Numbers:
    """Numbers the events of one run: a replay gives each the same number again, however its pieces come."""

    def __init__(self) -> None:
        self._next = 1

    def of(self, event: Event) -> int:
        """Return the number of the next event."""
        number = self._next
        if event.type not in PIECES:
            self._next += 1
        return number


Tell = Callable[[Event], None]
"""Takes one event."""


class Listener(ABC):
    """Who listens to an agent; what it raises ends the invocation.

    Attributes:
        takes_back: Whether an answer that broke off may be told anew from its beginning, after `throttled`.
    """

    takes_back: bool = False

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Take one event."""

    async def caught_up(self) -> None:  # noqa: B027 - most hear at once
        """Wait until all that was told is heard: an agent does not go on before."""
