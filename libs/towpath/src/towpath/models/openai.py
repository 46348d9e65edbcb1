"""Models of OpenAI, and of all servers that speak its chat completions."""

import json
import re
from collections.abc import AsyncGenerator
from typing import Any, cast

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageToolCall

from towpath.models.openai_client import Server, client_of, failures_of
from towpath.models.port import Message, ModelReply, ModelRequest, StopReason, ToolSpec
from towpath.tools.tool import ToolCall
from towpath_schemas.journal import Usage

_ANSWERS = "a chat completion"

_MAX_NAME_CHARS = 64
_STOP_REASONS: dict[str, StopReason] = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
}


class OpenAIModel:
    """`openai/<model>`: one chat completion for each request, tried once.

    Args:
        model: The model's name at the provider.
        base_url: Where the server is; `OPENAI_BASE_URL` or OpenAI's own if not given.
        api_key: The key; `OPENAI_API_KEY` if not given.
    """

    def __init__(self, model: str, *, base_url: str | None = None, api_key: str | None = None) -> None:
        self._model = model
        self._server = Server(base_url=base_url, api_key=api_key)

    @property
    def name(self) -> str:
        """`openai/<model>`."""
        return f"openai/{self._model}"

    def __repr__(self) -> str:
        return f"OpenAIModel({self._model!r})"

    async def generate(self, request: ModelRequest) -> ModelReply:
        """Answer `request`; see `LanguageModel`.

        Raises:
            ConfigurationError: If there is no key.
        """
        client = client_of(self._server)
        async with failures_of(self.name, answers=_ANSWERS):
            return _reply(await _complete(client, _asked(self._model, request)))

    async def stream(self, request: ModelRequest) -> AsyncGenerator[str | ModelReply]:
        """Answer `request` piece by piece; see `StreamingModel`.

        Raises:
            ConfigurationError: If there is no key.
        """
        client = client_of(self._server)
        asked: dict[str, Any] = _asked(self._model, request) | {"stream_options": {"include_usage": True}}
        async with (
            failures_of(self.name, answers=_ANSWERS),
            client.chat.completions.stream(**asked) as events,
        ):
            async for event in events:
                if event.type == "content.delta" and event.delta:
                    yield event.delta
            yield _reply(events.current_completion_snapshot)


async def _complete(client: AsyncOpenAI, asked: dict[str, Any]) -> ChatCompletion:
    return cast("ChatCompletion", await client.chat.completions.create(**asked))


# --- What is asked --------------------------------------------------------------------------------


def _asked(model: str, request: ModelRequest) -> dict[str, Any]:
    asked = {
        "model": model,
        "messages": _messages(request),
        "tools": [_tool(spec) for spec in request.tools],
        "temperature": request.temperature,
        "max_completion_tokens": request.max_tokens,
        "response_format": _format(request.answer_schema),
    }
    return {name: value for name, value in asked.items() if value not in (None, [])}


def _messages(request: ModelRequest) -> list[dict[str, Any]]:
    system = [] if request.system is None else [{"role": "system", "content": request.system}]
    return [*system, *map(_message, request.messages)]


def _message(message: Message) -> dict[str, Any]:
    written: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        written["tool_calls"] = [_call(call) for call in message.tool_calls]
        written["content"] = message.content or None
    if message.tool_call_id is not None:
        written["tool_call_id"] = message.tool_call_id
    return written


def _call(call: ToolCall) -> dict[str, Any]:
    arguments = call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _tool(spec: ToolSpec) -> dict[str, Any]:
    return {
        "type": "function",
        "function": {"name": spec.name, "description": spec.description, "parameters": spec.input_schema},
    }


def _format(schema: dict[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    if not schema:
        return {"type": "json_object"}
    name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title", "answer")))[:_MAX_NAME_CHARS]
    return {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}


# --- What is answered -----------------------------------------------------------------------------


def _reply(completion: ChatCompletion) -> ModelReply:
    choice = completion.choices[0]
    asked = [one for one in choice.message.tool_calls or [] if isinstance(one, ChatCompletionMessageToolCall)]
    usage = completion.usage
    return ModelReply(
        text=choice.message.content or choice.message.refusal or "",
        tool_calls=tuple(
            ToolCall(id=one.id, name=one.function.name, arguments=_arguments(one.function.arguments))
            for one in asked
        ),
        usage=Usage(input_tokens=usage.prompt_tokens, output_tokens=usage.completion_tokens)
        if usage
        else Usage(),
        stop_reason="tool_use" if asked else _STOP_REASONS.get(choice.finish_reason, "end_turn"),
    )


def _arguments(written: str) -> Any:
    """Read the arguments of a call; what is no JSON stays text, and the tool tells the model so."""
    try:
        return json.loads(written or "{}")
    except json.JSONDecodeError:
        return written
