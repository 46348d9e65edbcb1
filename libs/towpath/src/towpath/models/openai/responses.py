"""The style of responses: OpenAI's newer one, which also tells what a model thinks."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, cast

import openai
from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseUsage,
)

from towpath.models.openai.failures import SaidSoError
from towpath.models.openai.forms import Form
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
    Piece,
    ReasoningPiece,
    SignaturePiece,
    ToolSpec,
    ToolUsePiece,
)
from towpath_schemas.usage import Usage

_STOP_REASONS = {"max_output_tokens": "max_tokens", "content_filter": "content_filtered"}


class Responses:
    """Asks for responses, of which the provider keeps nothing."""

    answers = "a response"

    def body(self, question: Question) -> dict[str, Any]:
        """Write the body of a request; see `Style`."""
        request = question.request
        return said_only(
            {
                "model": question.model,
                "instructions": request.system,
                "input": [item for message in request.messages for item in _items(message)],
                "tools": [_tool(spec) for spec in request.tools],
                "tool_choice": tool_choice(request, {"type": "function", "name": request.tool_choice}),
                "temperature": request.temperature,
                "max_output_tokens": request.max_tokens,
                "text": _text(question.form),
                "store": False,
            }
        )

    async def answer(self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any) -> Any:
        """Wait for the whole answer; see `Style`."""
        create: Any = client.responses.create
        return await create(**body, **options)

    async def events(self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any) -> Any:
        """Wait until the answer begins; see `Style`."""
        create: Any = client.responses.create
        return await create(**body, stream=True, **options)

    def reply(self, answer: Any) -> ModelReply:
        """Read a whole answer; see `Style`."""
        response = checked(answer, Response)
        if response.error is not None:
            raise SaidSoError(response.error.model_dump())
        if response.status in ("failed", "cancelled"):
            raise SaidSoError({"message": f"the response is {response.status}"})
        return _reply(response)

    def listener(self) -> "ResponsesListener":
        """Begin to listen; see `Style`."""
        return ResponsesListener()


RESPONSES = Responses()


# --- What is asked --------------------------------------------------------------------------------


def _items(message: Message) -> Iterator[dict[str, Any]]:
    """Write a message as the items that it is in this style."""
    if message.role == "tool":
        yield {"type": "function_call_output", "call_id": message.tool_call_id, "output": _content(message)}
        return
    yield from _thoughts(message)
    if message.content or message.images or not message.tool_calls:
        yield {"role": message.role, "content": _content(message)}
    for call in message.tool_calls:
        yield {
            "type": "function_call",
            "call_id": call.id,
            "name": call.name,
            "arguments": written_arguments(call.arguments),
        }


def _thoughts(message: Message) -> list[dict[str, Any]]:
    """Read what the provider wants to see again of its reasoning; what another one signed means nothing to it."""
    try:
        signed: Any = json.loads(message.reasoning_signature or "[]")
    except json.JSONDecodeError:
        return []
    return cast("list[dict[str, Any]]", signed) if isinstance(signed, list) else []


def _content(message: Message) -> str | list[dict[str, Any]]:
    if not message.images:
        return message.content
    text = [{"type": "input_text", "text": message.content}] if message.content else []
    return [
        *text,
        *({"type": "input_image", "image_url": one.url, "detail": "auto"} for one in message.images),
    ]


def _tool(spec: ToolSpec) -> dict[str, Any]:
    """Write a tool; if nothing were said, its schema would be changed into a strict one."""
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.input_schema,
        "strict": False,
    }


def _text(form: Form | None) -> dict[str, Any] | None:
    if form is None:
        return None
    return {"format": {"type": form["type"], **form.get("json_schema", {})}}


# --- What is answered -----------------------------------------------------------------------------


@dataclass(slots=True)
class ResponsesListener:
    """Puts a response together of its events; see `Listener`."""

    _calls: dict[str, ToolUsePiece] = field(default_factory=dict[str, ToolUsePiece])
    _response: Response | None = None

    def hear(self, event: Any) -> Iterator[Piece]:
        """Take in an event; see `Listener`."""
        match event.type:
            case "response.output_text.delta" | "response.refusal.delta":
                yield event.delta
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                yield ReasoningPiece(event.delta)
            case "response.output_item.added" if event.item.type == "function_call":
                item = event.item
                self._calls[item.id] = ToolUsePiece(item.call_id, item.name, item.arguments or "")
                yield self._calls[item.id]
            case "response.output_item.done" if event.item.type == "reasoning":
                yield from _signed(event.item)
            case "response.function_call_arguments.delta":
                yield self._written(event.item_id, event.delta)
            case "response.completed" | "response.incomplete" | "response.failed":
                self._response = event.response
                yield from map(CitationPiece, _citations(event.response))
            case "error":
                raise SaidSoError({"code": event.code, "message": event.message})
            case _:
                pass  # where parts begin and end, which their deltas tell as well

    def reply(self) -> ModelReply:
        """Return the whole answer; see `Listener`."""
        if self._response is None:
            raise ValueError("the stream ended before the answer did")
        return RESPONSES.reply(self._response)

    def _written(self, item: str, more: str) -> ToolUsePiece:
        call = self._calls[item]
        self._calls[item] = call._replace(arguments_so_far=call.arguments_so_far + more)
        return self._calls[item]


def _reply(response: Response) -> ModelReply:
    said = _said(response)
    refused = any(part.type == "refusal" for part in said)
    calls = [
        tool_call(one.call_id, one.name, one.arguments)
        for one in response.output
        if isinstance(one, ResponseFunctionToolCall)
    ]
    thoughts = [one for one in response.output if isinstance(one, ResponseReasoningItem)]
    return ModelReply(
        text="".join(map(_words, said)),
        tool_calls=tuple(calls),
        usage=_consumed(response.usage),
        stop_reason=_stop_reason(response, called=bool(calls), refused=refused),
        reasoning="\n\n".join(map(_thought, thoughts)),
        reasoning_signature=_signature(thoughts),
        citations=tuple(_citations(response)),
    )


def _citations(response: Response) -> Iterator[Citation]:
    """Read where parts of the text come from; the provider counts in each part of the text by itself."""
    begins = 0
    for part in _said(response):
        if part.type == "output_text":
            yield from filter(None, (citation(one, begins) for one in part.annotations or ()))
        begins += len(_words(part))


def _said(response: Response) -> list[ResponseOutputText | ResponseOutputRefusal]:
    messages = [one for one in response.output if isinstance(one, ResponseOutputMessage)]
    return [part for message in messages for part in message.content]


def _words(part: ResponseOutputText | ResponseOutputRefusal) -> str:
    return part.refusal if part.type == "refusal" else part.text


def _stop_reason(response: Response, *, called: bool, refused: bool) -> str:
    details = response.incomplete_details
    if response.status == "incomplete" and details is not None and details.reason:
        return _STOP_REASONS.get(details.reason, details.reason)
    if called:
        return "tool_use"
    return "refusal" if refused else "end_turn"


def _thought(item: ResponseReasoningItem) -> str:
    parts = item.summary or item.content or []
    return "\n\n".join(part.text for part in parts)


def _signed(item: ResponseReasoningItem) -> Iterator[SignaturePiece]:
    signature = _signature([item])
    if signature is not None:
        yield SignaturePiece(signature, is_redacted=not _thought(item))


def _signature(thoughts: list[ResponseReasoningItem]) -> str | None:
    """Write down the reasoning as the provider wants to see it again; only what is encrypted means anything to it."""
    items = [
        {
            "type": "reasoning",
            "id": one.id,
            "summary": [part.model_dump() for part in one.summary],
            "encrypted_content": one.encrypted_content,
        }
        for one in thoughts
        if one.encrypted_content
    ]
    return json.dumps(items) if items else None


def _consumed(usage: ResponseUsage | None) -> Usage:
    if usage is None:
        return Usage()
    return consumed(usage.input_tokens, usage.output_tokens, usage.input_tokens_details)
