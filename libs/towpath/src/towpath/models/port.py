"""The port to language models: what a model is asked, what it answers, and what it has to be."""

import hashlib
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from functools import cached_property
from operator import not_
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

from pydantic import Field

from towpath.models.images import Image
from towpath.retry import RetryPolicy
from towpath.tools.calls import ToolCall
from towpath.tools.tool import Tool
from towpath_schemas.shape import Shape
from towpath_schemas.usage import Usage

Role = Literal["system", "user", "assistant", "tool"]

DEFAULT_MODEL_RETRY = RetryPolicy(max_attempts=5, initial_interval_s=0.5, max_interval_s=60.0)
"""How often a model call is tried where the failure says that trying again may help."""


class Citation(Shape):
    """Where a part of an answer comes from.

    Attributes:
        title: What the source is called.
        url: Of a page, its address.
        file_id: Of a file, its id at the provider.
        start: Where in the text of the answer the part begins, in characters; None where that is not told.
        end: Where it ends.
    """

    title: str | None = None
    url: str | None = None
    file_id: str | None = None
    start: int | None = None
    end: int | None = None


class Message(Shape):
    """One message of a conversation.

    What was added later is left out of its JSON where it is not used, so that digests of old requests hold.

    Attributes:
        tool_calls: What an assistant's message asks for.
        tool_call_id: Of a tool's message, the call that it answers.
        images: What it shows beside its text.
        reasoning: What an assistant thought before it spoke, as far as the provider tells.
        reasoning_signature: What the provider wants to see again beside the reasoning.
        citations: Where an assistant has parts of the text from; for people, so no JSON of a request has it.
        failed: Whether a tool's message tells an error.
    """

    role: Role
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    images: tuple[Image, ...] = Field(default=(), exclude_if=not_)
    reasoning: str = Field(default="", exclude_if=not_)
    reasoning_signature: str | None = Field(default=None, exclude_if=not_)
    citations: tuple[Citation, ...] = Field(default=(), exclude=True)
    failed: bool = Field(default=False, exclude_if=not_)

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
        tool_choice: "auto", "any" (it must ask for one), "none", or the name of the tool it must ask for; None leaves
            it to the provider, which is "auto".
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    answer_schema: dict[str, Any] | None = None
    tool_choice: str | None = Field(default=None, exclude_if=not_)


class ReasoningPiece(NamedTuple):
    """A piece of what a model thinks before it speaks."""

    text: str


class SignaturePiece(NamedTuple):
    """What the provider wants to see again of what a model thought.

    Attributes:
        is_redacted: Whether nothing else is told of the thought.
    """

    signature: str
    is_redacted: bool


class HeardPiece(Shape):
    """A piece in which an answer was heard that is not its text; one of the fields says what.

    Attributes:
        reasoning: How many more characters of the reasoning, or what was said where the reasoning has it otherwise.
        tool_call: Of a tool call that was being written, its id, the tool's name, and what came to its arguments.
        signature: Signature of a thought, and whether nothing else is told of it.
    """

    reasoning: int | str | None = None
    tool_call: tuple[str, str, str] | None = None
    citation: Citation | None = None
    signature: tuple[str, bool] | None = None


class ModelReply(Shape):
    """What a model answered.

    Attributes:
        stop_reason: Why it stopped: end_turn, tool_use, max_tokens, stop_sequence, content_filtered,
            guardrail_intervened, or what the provider says where that is something else.
        reasoning: What it thought before it spoke, as far as the provider tells.
        reasoning_signature: What the provider wants to see again beside the reasoning.
        citations: Where it has parts of the text from, as far as the provider tells.
        pieces: In which pieces somebody has heard it: how many more characters of the text, what was said where the text
            has it otherwise, or what else there was; see `towpath.models.pieces`.
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    stop_reason: str = "end_turn"
    reasoning: str = Field(default="", exclude_if=not_)
    reasoning_signature: str | None = Field(default=None, exclude_if=not_)
    citations: tuple[Citation, ...] = Field(default=(), exclude_if=not_)
    pieces: tuple[int | str | HeardPiece, ...] = Field(default=(), exclude_if=not_)

    def thoughts(self) -> "Iterator[ReasoningPiece | SignaturePiece]":
        """Return what it thought in pieces."""
        if self.reasoning:
            yield ReasoningPiece(self.reasoning)
        if self.reasoning_signature:
            yield SignaturePiece(self.reasoning_signature, is_redacted=not self.reasoning)

    def as_message(self) -> Message:
        """Write it as the next message of the conversation."""
        return Message(
            role="assistant",
            content=self.text,
            tool_calls=self.tool_calls,
            reasoning=self.reasoning,
            reasoning_signature=self.reasoning_signature,
            citations=self.citations,
        )


class ToolUsePiece(NamedTuple):
    """A tool call while the model writes it.

    Attributes:
        arguments_so_far: The JSON of its arguments, as far as it is written.
    """

    call_id: str
    name: str
    arguments_so_far: str


class CitationPiece(NamedTuple):
    """Where a part of the text comes from."""

    citation: Citation


Piece = str | ReasoningPiece | SignaturePiece | ToolUsePiece | CitationPiece
"""A piece of an answer: of its text, of its reasoning, or of a tool call."""


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

    def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        """Answer `request`, trying once: piece by piece, and the whole reply last.

        Raises:
            ModelError: If the provider refused or failed, before or after pieces of the answer.
        """
        ...


async def streamed(model: LanguageModel, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
    """Ask any model as one that streams: of one that does not, the only piece is the whole text."""
    if not isinstance(model, StreamingModel):
        reply = await model.generate(request)
        for piece in reply.thoughts():
            yield piece
        if reply.text:
            yield reply.text
        for citation in reply.citations:
            yield CitationPiece(citation)
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
