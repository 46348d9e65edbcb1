"""The style of chat completions, which every provider speaks."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, cast

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion, ChatCompletionChunk, ChatCompletionMessageFunctionToolCall

from towpath.models.openai.failures import SaidSoError
from towpath.models.openai.reasoning_details import (
    ReasoningDetails,
    kept_details,
    signature_of,
    told_details,
)
from towpath.models.openai.style import (
    Question,
    checked,
    citation,
    consumed,
    said_only,
    tool_call,
    tool_choice,
    written_arguments,
)
from towpath.models.port import (
    Citation,
    CitationPiece,
    Message,
    ModelReply,
    ModelRequest,
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolSpec,
    ToolUsePiece,
)
from towpath.models.providers import Provider
from towpath.tools.calls import ToolCall
from towpath_schemas.usage import Usage

_STOP_REASONS: Mapping[str | None, str] = {
    None: "end_turn",
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "content_filtered",
}


class Chat:
    """Asks a provider for chat completions."""

    answers = "a chat completion"

    def __init__(self, about: Provider) -> None:
        self._about = about

    def body(self, question: Question) -> dict[str, Any]:
        """Write the body of a request; see `Style`."""
        request = question.request
        return said_only(
            {
                "model": question.model,
                "messages": _messages(request, self._about),
                "tools": [_tool(spec) for spec in request.tools],
                "tool_choice": tool_choice(
                    request, {"type": "function", "function": {"name": request.tool_choice}}
                ),
                "temperature": request.temperature,
                self._about.max_tokens: request.max_tokens,
                "response_format": question.form,
            }
        )

    async def answer(self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any) -> Any:
        """Wait for the whole answer; see `Style`."""
        create: Any = client.chat.completions.create
        return await create(**body, **options)

    async def events(self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any) -> Any:
        """Wait until the answer begins; see `Style`."""
        create: Any = client.chat.completions.create
        return await create(**body, stream=True, stream_options={"include_usage": True}, **options)

    def reply(self, answer: Any) -> ModelReply:
        """Read a whole answer; see `Style`."""
        completion = checked(answer, ChatCompletion)
        _check_no_error(completion)
        choice = completion.choices[0]
        message = choice.message
        details = told_details(message) if self._about.reasoning_details else []
        calls = [
            tool_call(one.id, one.function.name, one.function.arguments)
            for one in message.tool_calls or []
            if isinstance(one, ChatCompletionMessageFunctionToolCall)
        ]
        return ModelReply(
            text=message.content or message.refusal or "",
            tool_calls=tuple(calls),
            usage=_consumed(completion.usage),
            stop_reason=_stop_reason(choice.finish_reason, called=bool(calls), refused=bool(message.refusal)),
            reasoning=_reasoning(message),
            reasoning_signature=signature_of(details),
            citations=tuple(_citations(message)),
        )

    def listener(self) -> "ChatListener":
        """Begin to listen; see `Style`."""
        return ChatListener(keeps_details=self._about.reasoning_details)


# --- What is asked --------------------------------------------------------------------------------


def _messages(request: ModelRequest, about: Provider) -> list[dict[str, Any]]:
    """Write the conversation; what tools show comes behind their messages, which can only hold text."""
    written: list[dict[str, Any]] = []
    if request.system is not None:
        written.append({"role": "system", "content": request.system})
    for of_tools, messages in groupby(request.messages, lambda message: message.role == "tool"):
        group = list(messages)
        written.extend(_message(one, about) for one in group)
        shown = [image for message in group for image in message.images] if of_tools else []
        if shown:
            written.append({"role": "user", "content": [_image(image.url) for image in shown]})
    return written


def _message(message: Message, about: Provider) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.images and message.role != "tool":
        text = [{"type": "text", "text": message.content}] if message.content else []
        written["content"] = [*text, *(_image(image.url) for image in message.images)]
    if message.tool_calls:
        written["tool_calls"] = [_call(call) for call in message.tool_calls]
        written["content"] = message.content or None
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    if about.reasoning_details and (details := kept_details(message.reasoning_signature)):
        written["reasoning_details"] = details
    return written


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": written_arguments(call.arguments)},
    }


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.input_schema},
    }


# --- What is answered -----------------------------------------------------------------------------


@dataclass(slots=True)
class _Call:
    """A tool call as far as it is written."""

    id: str
    name: str = ""
    arguments: Any = ""


@dataclass(slots=True)
class ChatListener:
    """Puts a chat completion together of its chunks; see `Listener`.

    Attributes:
        keeps_details: Whether the details of the reasoning are kept, for the provider to see again.
    """

    keeps_details: bool
    _details: ReasoningDetails = field(default_factory=ReasoningDetails)
    _text: list[str] = field(default_factory=list[str])
    _refusal: list[str] = field(default_factory=list[str])
    _thought: list[str] = field(default_factory=list[str])
    _citations: list[Citation] = field(default_factory=list[Citation])
    _calls: list[_Call] = field(default_factory=list[_Call])
    _open: dict[int, _Call] = field(default_factory=dict[int, _Call])
    _finish_reason: str | None = None
    _usage: CompletionUsage | None = None

    def hear(self, event: ChatCompletionChunk) -> Iterator[Piece]:
        """Take in a chunk; see `Listener`."""
        _check_no_error(event)
        self._usage = event.usage or self._usage
        for choice in event.choices or []:
            if choice.delta:
                yield from self._add(choice.delta)
            if choice.finish_reason:
                yield from self._ended(choice.finish_reason)

    def reply(self) -> ModelReply:
        """Return the whole answer; see `Listener`."""
        if self._finish_reason is None:
            raise ValueError("the stream ended before the answer did")
        called, refused = bool(self._calls), bool(self._refusal)
        return ModelReply(
            text="".join(self._text or self._refusal),
            tool_calls=tuple(tool_call(one.id, one.name, one.arguments) for one in self._calls),
            usage=_consumed(self._usage),
            stop_reason=_stop_reason(self._finish_reason, called=called, refused=refused),
            reasoning="".join(self._thought),
            reasoning_signature=self._details.signature,
            citations=tuple(self._citations),
        )

    def _ended(self, finish_reason: str) -> Iterator[Piece]:
        is_first, self._finish_reason = self._finish_reason is None, finish_reason
        if is_first and (signature := self._details.signature) is not None:
            yield SignaturePiece(signature, is_redacted=not self._thought)

    def _add(self, delta: Any) -> Iterator[Piece]:
        if self.keeps_details:
            self._details.add(told_details(delta))
        thought = _reasoning(delta)
        if thought:
            self._thought.append(thought)
            yield ReasoningPiece(thought)
        for said, heard in ((delta.content, self._text), (delta.refusal, self._refusal)):
            if said:
                heard.append(said)
                yield said
        for cited in _citations(delta):
            self._citations.append(cited)
            yield CitationPiece(cited)
        yield from map(self._added, delta.tool_calls or [])

    def _added(self, part: Any) -> ToolUsePiece:
        """Take in a part of a tool call; servers that write calls whole give them ids, but one index."""
        index = part.index or 0
        call = self._open.get(index)
        if call is None or (part.id and part.id != call.id):
            known = tool_call(part.id, part.function.name, "")
            call = self._open[index] = _Call(known.id, known.name)
            self._calls.append(call)
        more: Any = part.function.arguments if part.function else None
        if more:
            call.arguments = call.arguments + more if isinstance(more, str) else more
        return ToolUsePiece(call.id, call.name, written_arguments(call.arguments))


def _stop_reason(finish_reason: str | None, *, called: bool, refused: bool) -> str:
    """Say why the model stopped; some servers say `stop` where it asks for tools."""
    reason = _STOP_REASONS.get(finish_reason, finish_reason or "end_turn")
    if reason != "end_turn":
        return reason
    return "tool_use" if called else ("refusal" if refused else reason)


def _consumed(usage: CompletionUsage | None) -> Usage:
    if usage is None:
        return Usage()
    return consumed(usage.prompt_tokens, usage.completion_tokens, usage.prompt_tokens_details)


def _reasoning(said: Any) -> str:
    """Read what a model thought; OpenAI tells nothing here, and the others agree on no name."""
    found = getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None)
    return found if isinstance(found, str) else ""


def _citations(said: Any) -> Iterator[Citation]:
    """Read where the text comes from, as models with a search of their own tell."""
    annotations = cast("Iterable[Any]", getattr(said, "annotations", None) or ())
    return filter(None, map(citation, annotations))


def _check_no_error(answer: ChatCompletion | ChatCompletionChunk) -> None:
    """Pass where it is an answer: some servers tell their errors with status 200."""
    extra = cast("Mapping[str, Any]", answer.model_extra or {})
    if extra.get("error"):
        raise SaidSoError(extra["error"])
