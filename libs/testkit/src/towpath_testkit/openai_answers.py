"""What a server that speaks as OpenAI does answers, in each style: bodies of whole answers, and events of streams."""

import base64
import json
import random
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_INPUT, _OUTPUT = 11, 7


@dataclass(frozen=True, slots=True)
class Says:
    """An answer: text, or tool calls as (id, name, arguments); arguments may be text that is no JSON.

    Attributes:
        finish_reason: Why it ends, as chat completions say it.
        refusal: What it says instead of an answer.
        reasoning: What it thought before; in a response empty text stands for a thought that only it can read.
        reasoning_details: The details of that, as OpenRouter tells them in chat completions.
        annotations: Of its text, as responses write them; chat completions know those of type `url_citation`.
        cached: How many of its 11 input tokens were in the cache.
        put_in_cache: How many of them were put there.
        delay_s: Seconds until it begins.
    """

    text: str | None = None
    tool_calls: Sequence[tuple[str, str, Mapping[str, Any] | str]] = ()
    finish_reason: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_details: Sequence[Mapping[str, Any]] = ()
    annotations: Sequence[Mapping[str, Any]] = ()
    cached: int = 0
    put_in_cache: int = 0
    delay_s: float = 0

    @property
    def reason(self) -> str:
        """Why it ends."""
        return self.finish_reason or ("tool_calls" if self.tool_calls else "stop")

    def words(self) -> list[str]:
        """Divide the text as it is streamed."""
        return re.findall(r"\S+\s*", self.text or "")


@dataclass(frozen=True, slots=True)
class Embeds:
    """Embeddings: any vectors, but always the same for a text; the last text's comes first.

    Attributes:
        dimensions: Numbers in each, unless the request says how many.
        as_text: Whether they are packed in base64 where that is asked for; many servers do not.
        only: How many are answered at the most.
    """

    dimensions: int = 1_536
    as_text: bool = True
    only: int | None = None


def written(arguments: Mapping[str, Any] | str) -> str:
    """Write the arguments of a tool call."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


# --- Chat completions -----------------------------------------------------------------------------


def completion(said: Says, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write a chat completion."""
    message: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": said.refusal}
    if said.reasoning:
        message["reasoning_content"] = said.reasoning
    if said.reasoning_details:
        message["reasoning_details"] = [*said.reasoning_details]
    if said.annotations:
        message["annotations"] = _chat_annotations(said)
    if said.tool_calls:
        message["tool_calls"] = [_chat_call(*call) for call in said.tool_calls]
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": asked["model"],
        "choices": [{"index": 0, "message": message, "finish_reason": said.reason, "logprobs": None}],
        "usage": {
            "prompt_tokens": _INPUT,
            "completion_tokens": _OUTPUT,
            "total_tokens": _INPUT + _OUTPUT,
            "prompt_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": said.put_in_cache},
        },
    }


def completion_events(said: Says, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a chat completion as the chunks of a stream: words, parts of tool calls, the reason, the usage."""
    whole = completion(said, asked)
    chunk = {name: whole[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for delta in _chat_deltas(said):
        yield {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": said.reason}]}
    yield {**chunk, "choices": [], "usage": whole["usage"]}


def _chat_deltas(said: Says) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    if said.reasoning:
        yield {"reasoning_content": said.reasoning}
    for piece in _detail_pieces(said.reasoning_details):
        yield {"reasoning_details": [piece]}
    for word in said.words():
        yield {"content": word}
    if said.annotations:
        yield {"annotations": _chat_annotations(said)}
    if said.refusal:
        yield {"refusal": said.refusal}
    for index, (call_id, name, arguments) in enumerate(said.tool_calls):
        begun = _chat_call(call_id, name, "")
        yield {"tool_calls": [{"index": index, **begun}]}
        for part in _parts(written(arguments)):
            yield {"tool_calls": [{"index": index, "function": {"arguments": part}}]}
    for piece in _detail_signatures(said.reasoning_details):
        yield {"reasoning_details": [piece]}


def _detail_pieces(details: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Divide details as they are streamed: text in parts, and what is signed without its signature, which comes last."""
    for one in details:
        place = next((name for name in ("text", "summary") if name in one), None)
        unsigned = {name: value for name, value in one.items() if name != "signature"}
        if place is None:
            yield unsigned
        else:
            yield from ({**unsigned, place: part} for part in _parts(one[place]))


def _detail_signatures(details: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in details:
        if "signature" in one:
            yield {name: value for name, value in one.items() if name != "text"}


def _chat_annotations(said: Says) -> list[dict[str, Any]]:
    return [
        {"type": one["type"], "url_citation": {key: value for key, value in one.items() if key != "type"}}
        for one in said.annotations
    ]


def _chat_call(call_id: str, name: str, arguments: Mapping[str, Any] | str) -> dict[str, Any]:
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": written(arguments)},
    }


def _parts(text: str) -> list[str]:
    return [text[at : at + 8] for at in range(0, len(text), 8)]


# --- Responses ------------------------------------------------------------------------------------

_INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}


def response(said: Says, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write a response."""
    incomplete = _INCOMPLETE.get(said.reason)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 0,
        "model": asked["model"],
        "status": "incomplete" if incomplete else "completed",
        "incomplete_details": {"reason": incomplete} if incomplete else None,
        "error": None,
        "output": list(_items(said)),
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": _INPUT,
            "output_tokens": _OUTPUT,
            "total_tokens": _INPUT + _OUTPUT,
            "input_tokens_details": {"cached_tokens": said.cached, "cache_write_tokens": said.put_in_cache},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def response_events(said: Says, asked: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Write a response as the events of a stream."""
    whole = response(said, asked)
    events = [
        *_begun(whole),
        *_response_deltas(said),
        {"type": f"response.{whole['status']}", "response": whole},
    ]
    for number, event in enumerate(events):
        yield {"sequence_number": number, **event}


def failed_response(error: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write a response that has failed."""
    return {**response(Says(), asked), "status": "failed", "error": dict(error)}


def _begun(whole: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {
        "type": "response.created",
        "response": {**whole, "status": "in_progress", "output": [], "usage": None},
    }


def _response_deltas(said: Says) -> Iterator[dict[str, Any]]:
    for index, item in enumerate(_items(said)):
        at = {"item_id": item["id"], "output_index": index}
        match item["type"]:
            case "reasoning":
                kind = "response.reasoning_summary_text.delta"
                if said.reasoning:
                    yield {"type": kind, **at, "summary_index": 0, "delta": said.reasoning}
                yield {"type": "response.output_item.done", "output_index": index, "item": item}
            case "function_call":
                begun = {**item, "arguments": "", "status": "in_progress"}
                yield {"type": "response.output_item.added", "output_index": index, "item": begun}
                for part in _parts(item["arguments"]):
                    yield {"type": "response.function_call_arguments.delta", **at, "delta": part}
            case _:
                kind = "refusal" if said.refusal else "output_text"
                for word in [said.refusal] if said.refusal else said.words():
                    yield {
                        "type": f"response.{kind}.delta",
                        **at,
                        "content_index": 0,
                        "delta": word,
                        "logprobs": [],
                    }


def _items(said: Says) -> Iterator[dict[str, Any]]:
    if said.reasoning is not None:
        summary = [{"type": "summary_text", "text": said.reasoning}] if said.reasoning else []
        yield {"type": "reasoning", "id": "rs_1", "summary": summary, "encrypted_content": "c2VhbGVk"}
    if said.text is not None or said.refusal:
        part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": [*said.annotations]}
        if said.refusal:
            part = {"type": "refusal", "refusal": said.refusal}
        yield {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [part],
        }
    for call_id, name, arguments in said.tool_calls:
        yield {
            "type": "function_call",
            "id": f"fc_{call_id}",
            "call_id": call_id,
            "name": name,
            "arguments": written(arguments),
            "status": "completed",
        }


# --- Embeddings -----------------------------------------------------------------------------------


def embeddings(act: Embeds, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Write a list of embeddings."""
    size = asked.get("dimensions", act.dimensions)
    as_text = act.as_text and asked.get("encoding_format") == "base64"
    found = [
        {"object": "embedding", "index": index, "embedding": _embedding(text, size, as_text=as_text)}
        for index, text in enumerate(asked["input"][: act.only])
    ]
    usage = {"prompt_tokens": len(found), "total_tokens": len(found)}
    return {"object": "list", "data": found[::-1], "model": asked["model"], "usage": usage}


def _embedding(text: str, size: int, *, as_text: bool) -> str | list[float]:
    chance = random.Random(text)  # noqa: S311 - the same for the same text is what is wanted
    numbers = [chance.gauss() for _ in range(size)]
    return base64.b64encode(struct.pack(f"<{size}f", *numbers)).decode() if as_text else numbers
