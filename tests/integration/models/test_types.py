"""What we send, and what our own server answers, is what the vendor's published types say: neither was made up."""

import json
from pathlib import Path
from typing import Any, cast

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
    CompletionCreateParamsStreaming,
)
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.responses.response_create_params import (
    ResponseCreateParamsNonStreaming,
    ResponseCreateParamsStreaming,
)
from pydantic import TypeAdapter

from towpath_testkit.openai_answers import Says, completion, completion_events, response, response_events

RECORDINGS = Path(__file__).parents[2] / "data" / "model_requests"
BODIES = {
    "openai": (CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming),
    "openai-responses": (ResponseCreateParamsNonStreaming, ResponseCreateParamsStreaming),
}
ANSWERS = [
    Says("It is here.", tool_calls=[("c1", "find", {"order": 7})], reasoning="Hm."),
    Says(refusal="No."),
    Says("It is", finish_reason="length"),
]


def read_through(value: Any) -> None:
    """Read what pydantic checks only when it is read."""
    if isinstance(value, dict):
        for one in cast("dict[str, Any]", value).values():
            read_through(one)
    elif not isinstance(value, str | int | float | None):
        for one in value:
            read_through(one)


@pytest.mark.parametrize("recording", BODIES)
def test_what_is_sent_is_what_the_vendor_takes(recording: str) -> None:
    sent = json.loads((RECORDINGS / f"{recording}.json").read_text("utf-8"))

    for kind, one in zip(BODIES[recording], sent, strict=True):
        adapter: TypeAdapter[Any] = TypeAdapter(kind)
        read_through(adapter.validate_python(one["body"]))
        assert set(one["body"]) <= set(kind.__annotations__)


@pytest.mark.parametrize("said", ANSWERS, ids=["everything", "a refusal", "too long"])
def test_what_our_server_answers_is_what_the_vendor_answers(said: Says) -> None:
    event_types: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    asked = {"model": "m"}

    ChatCompletion.model_validate(completion(said, asked))
    Response.model_validate(response(said, asked))
    for chunk in completion_events(said, asked):
        ChatCompletionChunk.model_validate(chunk)
    for event in response_events(said, asked):
        assert event_types.validate_python(event).type == event["type"]
