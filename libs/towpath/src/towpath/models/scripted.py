"""Models that say what they are told to: `test/<name>`, for tests and demonstrations.

A scripted model keeps nothing: its reply depends only on the conversation, so a crash, a replay or another
process cannot change what it says.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, cast

from towpath.errors import ConfigurationError, ModelError
from towpath.models.port import LanguageModel, ModelReply, ModelRequest, digest
from towpath.tools.tool import ToolCall
from towpath.values import to_json_value
from towpath_schemas.failure import Failure
from towpath_schemas.identity import derived_id
from towpath_schemas.journal import Usage

Plain = str | ToolCall | ModelReply | Sequence[ToolCall] | BaseException
"""A reply: text, one or several tool calls, a whole reply, or an error to raise."""

Entry = Plain | Callable[[ModelRequest], Plain]
"""An entry of a script: a reply, or a function that makes it of the request."""


class ScriptedModel:
    """A model that answers turn after turn from a script.

    The turn is the number of assistant messages in the conversation.
    """

    def __init__(
        self, name: str, entries: Sequence[Entry] | Callable[[ModelRequest], Plain], delay_s: float
    ) -> None:
        self._name = name
        self._entries = entries
        self._delay_s = delay_s

    @property
    def name(self) -> str:
        """`test/<name>`."""
        return f"test/{self._name}"

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Say what the script says at this turn.

        Raises:
            ModelError: If the script has no such turn.
        """
        if self._delay_s:
            await asyncio.sleep(self._delay_s)
        plain = _played(self._entry(request), request)
        if isinstance(plain, BaseException):
            raise plain
        return _reply(plain, request)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Say the same word by word.

        Raises:
            ModelError: If the script has no such turn.
        """
        reply = await self.generate(request)
        for word in re.findall(r"\S+\s*|\s+", reply.text):
            yield word
            await asyncio.sleep(0)
        yield reply

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


def _played(entry: Entry, request: ModelRequest) -> Plain:
    if not callable(entry):
        return entry
    try:
        return entry(request)
    except ModelError:
        raise
    except Exception as error:
        message = f"the script raised {type(error).__name__}: {error}"
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


def script(
    name: str,
    replies: Sequence[Entry] | Callable[[ModelRequest], Plain],
    delay_s: float = 0,
) -> LanguageModel:
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
