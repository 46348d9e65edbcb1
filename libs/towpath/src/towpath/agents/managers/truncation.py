"""Shortening what tools have answered: the beginning and the end stay, with a note of what is missing."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from towpath.agents.content import DictMessage

KEPT_CHARS = 200
"""How many characters stay of either end of a result that is truncated."""

_MARK = "characters were left out to make room"
_IMAGE = "[an image was left out to make room]"


def truncated(message: DictMessage) -> DictMessage | None:
    """Return `message` with its tool results shortened; None where there is nothing to shorten."""
    content = [_shorter_block(block) for block in message["content"]]
    return None if content == message["content"] else {**message, "content": content}


def _shorter_block(block: Mapping[str, Any]) -> Mapping[str, Any]:
    if "toolResult" not in block:
        return block
    result = block["toolResult"]
    return {**block, "toolResult": {**result, "content": [_shorter(part) for part in result["content"]]}}


def _shorter(part: Mapping[str, Any]) -> Mapping[str, Any]:
    match part:
        case {"text": str() as text}:
            return {**part, "text": _shorter_text(text)}
        case {"json": value}:
            text = to_json(value).decode()
            shorter = _shorter_text(text)
            return part if shorter == text else {"text": shorter}
        case {"image": _}:
            return {"text": _IMAGE}
        case _:
            return part


def _shorter_text(text: str) -> str:
    left_out = len(text) - 2 * KEPT_CHARS
    note = f"\n[... {left_out} {_MARK} ...]\n"
    if left_out <= len(note) or _MARK in text[KEPT_CHARS:-KEPT_CHARS]:
        return text
    return f"{text[:KEPT_CHARS]}{note}{text[-KEPT_CHARS:]}"
