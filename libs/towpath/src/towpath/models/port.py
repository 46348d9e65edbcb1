"""The port to language models: what a model is asked, what it answers, and what it has to be."""

import hashlib
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

from towpath.retry import RetryPolicy
from towpath.tools.tool import Tool, ToolCall
from towpath_schemas.journal import Usage
from towpath_schemas.shape import Shape

Role = Literal["system", "user", "assistant", "tool"]
StopReason = Literal["end_turn", "tool_use", "max_tokens", "refusal"]

DEFAULT_MODEL_RETRY = RetryPolicy(max_attempts=5, initial_interval_s=0.5, max_interval_s=60.0)
"""How often a model call is tried where the failure says that trying again may help."""


class Message(Shape):
    """One message of a conversation.

    Attributes:
        tool_calls: What an assistant's message asks for.
        tool_call_id: Of a tool's message, the call that it answers.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the message, computed once however many requests repeat it."""
        return hashlib.sha256(self.to_body()).digest()


class ToolSpec(Shape):
    """A tool as a model is told of it; the schema is JSON Schema."""

    name: str
    description: str
    input_schema: dict[str, Any]

    @classmethod
    def of(cls, tool: Tool) -> "ToolSpec":
        """Say what a model is told of `tool`."""
        return cls(name=tool.name, description=tool.description, input_schema=dict(tool.input_schema))


class ModelRequest(Shape):
    """What a model is asked.

    Attributes:
        messages: The conversation so far, without the system prompt.
        system: The system prompt.
        max_tokens: How long the answer may be; None leaves it to the provider.
        answer_schema: JSON Schema of the answer, where it is to be JSON; an empty one allows any.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    answer_schema: dict[str, Any] | None = None


class ModelReply(Shape):
    """What a model answered."""

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    stop_reason: StopReason = "end_turn"

    def as_message(self) -> Message:
        """Write it as the next message of the conversation."""
        return Message(role="assistant", content=self.text, tool_calls=self.tool_calls)


class LanguageModel(Protocol):
    """A language model: asked once, it answers once; it keeps nothing between calls."""

    @property
    def name(self) -> str:
        """`provider/model`, as it is journaled."""
        ...

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`, trying once.

        Raises:
            ModelError: If the provider refused or failed; its failure says whether trying again may help.
        """
        ...


@runtime_checkable
class StreamingModel(LanguageModel, Protocol):
    """A language model that can also be heard while it answers."""

    def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Answer `request`, trying once: the text piece by piece, and the whole reply last.

        Raises:
            ModelError: If the provider refused or failed, before or after pieces of the answer.
        """
        ...


async def streamed(model: LanguageModel, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
    """Ask any model as one that streams: of one that does not, the only piece is the whole text."""
    if not isinstance(model, StreamingModel):
        reply = await model.generate(request)
        if reply.text:
            yield reply.text
        yield reply
        return
    async with aclosing(model.stream(request)) as pieces:
        async for piece in pieces:
            yield piece


def digest(request: ModelRequest) -> str:
    """Compute the SHA-256 of what a model is asked; a conversation's own messages are hashed only once."""
    whole = hashlib.sha256(request.model_dump_json(exclude={"messages"}, exclude_none=True).encode())
    whole.update(b"".join([message.digest for message in request.messages]))
    return whole.hexdigest()
