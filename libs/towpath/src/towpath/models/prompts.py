"""What a model is told: prompts and earlier messages, in the spellings that people use."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from towpath.models.port import Message

Prompt = str | Iterable[Any] | None
"""Text, or messages, or nothing where there are messages already."""


def messages_of(prompt: Prompt) -> list[Message]:
    """Read a prompt as messages: text is one of the user's.

    Raises:
        TypeError: If a message is neither a `Message` nor a mapping of `role` and `content`.
    """
    if prompt is None:
        return []
    if isinstance(prompt, str):
        return [Message(role="user", content=prompt)]
    return [_message(one) for one in prompt]


def text_of(content: Any) -> str:
    """Read text that is given as such, or as a list of blocks `{"text": ...}`.

    Raises:
        TypeError: If it holds anything else.
    """
    match content:
        case str():
            return content
        case {"text": str() as text}:
            return text
        case list() | tuple():
            return "\n".join(map(text_of, cast("Iterable[Any]", content)))
        case _:
            raise TypeError(f"a prompt holds text; {type(content).__name__} is not supported")


def _message(written: Any) -> Message:
    if isinstance(written, Message):
        return written
    if not isinstance(written, Mapping):
        raise TypeError(f"a message is a mapping of role and content, not {type(written).__name__}")
    fields = dict(cast("Mapping[str, Any]", written))
    return Message.model_validate({**fields, "content": text_of(fields.get("content", ""))})
