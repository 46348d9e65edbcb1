"""What a session keeps of what happened in it: messages, prunings, changes of its state."""

from collections.abc import Iterable
from datetime import datetime
from operator import not_
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter
from pydantic_core import to_json

from towpath.models.port import Citation, Message
from towpath_schemas.shape import Shape


class Said(Message):
    """A message before a session has taken it.

    Attributes:
        metadata: What else is to be known about it; any JSON object.
        citations: As of any message; here they are kept.
    """

    metadata: dict[str, Any] = {}
    citations: tuple[Citation, ...] = Field(default=(), exclude_if=not_)


class SessionMessage(Said):
    """A message of a session.

    Attributes:
        number: Its place in the session, among all events.
        timestamp: When the session took it (UTC); never before that of an earlier event.
        run_id: The run that appended it.
    """

    kind: Literal["message"] = "message"
    number: int
    timestamp: datetime
    run_id: str


class HistoryPruned(Shape):
    """Messages were taken out of the history; they are still among the events.

    Attributes:
        number: Its place in the session.
        timestamp: When.
        run_id: The run that did it.
        strategy: By which strategy.
        dropped: How many messages.
        summary: Number of the message that stands in their place, if one does.
    """

    kind: Literal["pruned"] = "pruned"
    number: int
    timestamp: datetime
    run_id: str
    strategy: str
    dropped: int
    summary: int | None = None


class StateChanged(Shape):
    """State of the session's own scope was changed.

    Attributes:
        number: Its place in the session.
        timestamp: When.
        run_id: The run that did it.
        names: Names that were set.
        deleted: Names that were deleted.
    """

    kind: Literal["state"] = "state"
    number: int
    timestamp: datetime
    run_id: str
    names: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()


SessionEvent = Annotated[SessionMessage | HistoryPruned | StateChanged, Field(discriminator="kind")]
"""Anything that a session keeps."""

_EVENTS: TypeAdapter[list[SessionEvent]] = TypeAdapter(list[SessionEvent])


def read_events(written: Iterable[Any]) -> list[SessionEvent]:
    """Read events from JSON."""
    return _EVENTS.validate_python(list(written))


def messages_in(written: Iterable[Any]) -> list[SessionMessage]:
    """Read the messages among events from JSON."""
    return messages_among(read_events(written))


def messages_among(events: Iterable[SessionEvent]) -> list[SessionMessage]:
    """Pick the messages among events."""
    return [event for event in events if event.kind == "message"]


def as_message(said: Message) -> Message:
    """Write what a model is told of a message: its words, and not when they were said."""
    return Message(
        role=said.role,
        content=said.content,
        tool_calls=said.tool_calls,
        tool_call_id=said.tool_call_id,
        images=said.images,
        reasoning=said.reasoning,
        reasoning_signature=said.reasoning_signature,
        citations=said.citations,
        failed=said.failed,
    )


def as_jsonl(messages: Iterable[SessionMessage]) -> str:
    """Write messages as lines of JSON: timestamp, role, message, metadata, tool_calls, and what a tool's answers."""
    return "".join(f"{to_json(_line(message), inf_nan_mode='null').decode()}\n" for message in messages)


def _line(message: SessionMessage) -> dict[str, Any]:
    answers = {} if message.tool_call_id is None else {"tool_call_id": message.tool_call_id}
    return {
        "timestamp": message.timestamp.isoformat(),
        "role": message.role,
        "message": message.content,
        "metadata": message.metadata,
        "tool_calls": [call.model_dump(mode="json") for call in message.tool_calls],
        **answers,
    }
