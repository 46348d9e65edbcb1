"""Models that say what they are told to: `test/<name>`, for tests and demonstrations.

A scripted model keeps nothing: its reply depends only on the conversation, so a crash, a replay or another
process cannot change what it says.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from inspect import isawaitable
from typing import Any, NamedTuple, cast

from pydantic_core import to_json

from towpath.errors import ConfigurationError, ModelError
from towpath.models.port import (
    CitationPiece,
    LanguageModel,
    ModelReply,
    ModelRequest,
    Piece,
    ToolUsePiece,
    digest,
)
from towpath.secrecy import redacted
from towpath.tools.calls import ToolCall
from towpath.values import to_json_value
from towpath_schemas.failure import Failure
from towpath_schemas.identity import derived_id
from towpath_schemas.usage import Usage

_PIECE_CHARS = 8


class BrokenOff(NamedTuple):
    """An answer that breaks off: who listens hears the text and then the error, who waits gets the error."""

    text: str
    error: BaseException


Plain = str | ToolCall | ModelReply | BrokenOff | Sequence[ToolCall] | BaseException
"""A reply: text, one or several tool calls, a whole reply, one that breaks off, or an error to raise."""

Answering = Callable[[ModelRequest], Plain | Awaitable[Plain]]
"""A function, sync or async, that makes a reply of the request."""

Entry = Plain | Answering
"""An entry of a script: a reply, or a function that makes it."""


class ScriptedModel:
    """A model that answers turn after turn from a script.

    The turn is the number of assistant messages in the conversation.
    """

    def __init__(self, name: str, entries: Sequence[Entry] | Answering, delay_s: float) -> None:
        self._name = name
        self._entries = entries
        self._delay_s = delay_s

    @property
    def name(self) -> str:
        """`test/<name>`."""
        return f"test/{self._name}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Say what the script says at this turn.

        Raises:
            ModelError: If the script has no such turn.
        """
        said = await self._said(request)
        if isinstance(said, BrokenOff):
            raise said.error
        return said

    async def stream(self, request: ModelRequest) -> AsyncGenerator[Piece | ModelReply]:
        """Say the same in pieces: text word by word, and the arguments of tool calls a few characters at a time.

        Raises:
            ModelError: If the script has no such turn.
        """
        said = await self._said(request)
        for piece in _words(said.text) if isinstance(said, BrokenOff) else _pieces(said):
            yield piece
            await asyncio.sleep(0)
        if isinstance(said, BrokenOff):
            raise said.error
        yield said

    async def _said(self, request: ModelRequest) -> ModelReply | BrokenOff:
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        plain = await _played(self._entry(request), request)
        if isinstance(plain, BaseException):
            raise plain
        return plain if isinstance(plain, BrokenOff) else _reply(plain, request)

    def _entry(self, request: ModelRequest) -> Entry:
        if callable(self._entries):
            return self._entries
        turn = sum(message.role == "assistant" for message in request.messages)
        if turn >= len(self._entries):
            message = (
                f"{self.name} has a script of {len(self._entries)} turns, and was asked for turn {turn + 1}"
            )
            raise ModelError(Failure(code="model_error", message=message))
        return self._entries[turn]


def _pieces(reply: ModelReply) -> Iterator[Piece]:
    yield from reply.thoughts()
    yield from _words(reply.text)
    yield from map(CitationPiece, reply.citations)
    for call in reply.tool_calls:
        written = call.arguments if isinstance(call.arguments, str) else to_json(call.arguments).decode()
        yield ToolUsePiece(call.id, call.name, "")
        for end in range(_PIECE_CHARS, len(written) + _PIECE_CHARS, _PIECE_CHARS):
            yield ToolUsePiece(call.id, call.name, written[:end])


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*|\s+", text)


async def _played(entry: Entry, request: ModelRequest) -> Plain:
    if not callable(entry):
        return entry
    try:
        said = entry(request)
        return await said if isawaitable(said) else said
    except ModelError:
        raise
    except Exception as error:
        message = redacted(f"the script raised {type(error).__name__}: {error}")
        raise ModelError(
            Failure(code="model_error", message=message, error_type=type(error).__name__)
        ) from error


def _reply(plain: Plain, request: ModelRequest) -> ModelReply:
    if isinstance(plain, ModelReply):
        return plain
    usage = Usage(
        input_tokens=sum(len(one.content.split()) for one in request.messages[-1:]), output_tokens=1
    )
    if isinstance(plain, str):
        return ModelReply(text=plain, usage=usage)
    calls = (plain,) if isinstance(plain, ToolCall) else tuple(cast("Sequence[ToolCall]", plain))
    return ModelReply(tool_calls=_identified(calls, request), usage=usage, stop_reason="tool_use")


def _identified(calls: tuple[ToolCall, ...], request: ModelRequest) -> tuple[ToolCall, ...]:
    """Give each call without an id one that follows from the conversation, as different turns need different ones."""
    conversation = digest(request) if any(not call.id for call in calls) else ""
    return tuple(
        call if call.id else call.model_copy(update={"id": f"call_{derived_id(conversation, str(number))}"})
        for number, call in enumerate(calls)
    )


def tool_call(name: str, /, **arguments: Any) -> ToolCall:
    """Write a tool call for a script; it gets its id when the script plays it."""
    return ToolCall(id="", name=name, arguments=to_json_value(arguments))


def script(name: str, replies: Sequence[Entry] | Answering, delay_s: float = 0) -> LanguageModel:
    """Register the model `test/<name>`; a script of this name that was there before is replaced.

    Args:
        name: What it is called, without `test/`.
        replies: What it says, turn by turn, or a function that says it at every turn.
        delay_s: Seconds each reply takes.
    """
    model = ScriptedModel(name, replies if callable(replies) else tuple(replies), delay_s)
    _models[name] = model
    return model


def scripted_model(name: str) -> LanguageModel:
    """Find a registered script.

    Raises:
        ConfigurationError: If there is none of this name.
    """
    model = _models.get(name)
    if model is None:
        known = ", ".join(f"test/{one}" for one in sorted(_models))
        raise ConfigurationError(
            f"no script is registered for test/{name}; there is {known}; write one with script()"
        )
    return model


def _echo(request: ModelRequest) -> str:
    return request.messages[-1].content if request.messages else ""


_models: dict[str, ScriptedModel] = {"echo": ScriptedModel("echo", _echo, 0)}
