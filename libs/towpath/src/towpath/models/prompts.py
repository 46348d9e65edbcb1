"""What a model is told: prompts and earlier messages, in the spellings that people use."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from towpath.models.images import Image
from towpath.models.port import Message

Prompt = str | Image | Iterable[Any] | None
"""Text; or messages; or text and images that are one message together; or nothing where there are messages already."""


def messages_of(prompt: Prompt) -> list[Message]:
    """Read a prompt as messages: text is one of the user's, and so are text and images together.

    Raises:
        TypeError: If a message is neither a `Message` nor a mapping of `role` and `content`, or its content is none.
        ValueError: If an image is none that models are shown.
    """
    if prompt is None:
        return []
    if isinstance(prompt, str | Image):
        return [_said("user", prompt)]
    parts = list(prompt)
    if parts and not any(map(_is_message, parts)):
        return [_said("user", parts)]
    return [_message(one) for one in parts]


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


def _is_message(written: Any) -> bool:
    return isinstance(written, Message) or (isinstance(written, Mapping) and "role" in written)


def _message(written: Any) -> Message:
    if isinstance(written, Message):
        return written
    if not _is_message(written):
        raise TypeError(f"a message is a mapping of role and content, not {type(written).__name__}")
    fields = dict(cast("Mapping[str, Any]", written))
    return _said(fields.pop("role"), fields.pop("content", ""), **fields)


def _said(role: Any, content: Any, **fields: Any) -> Message:
    """Make a message of content in any spelling: text, images, or blocks of either."""
    parts = cast("list[Any]", content) if isinstance(content, list) else [content]
    images = [image for part in parts if (image := _image(part)) is not None]
    texts = [part for part in parts if _image(part) is None]
    if images:
        fields["images"] = (*images, *fields.get("images", ()))
    return Message.model_validate({**fields, "role": role, "content": text_of(texts)})


def _image(part: Any) -> Image | None:
    """Read an image; None where the part is none."""
    match part:
        case Image():
            return part
        case {"image_url": {"url": str() as url}} | {"image_url": str() as url}:
            return Image(url=url)
        case {"image": {"source": {"url": str() as url}}}:
            return Image(url=url)
        case {"image": {"source": {"bytes": bytes() as data}, **said}}:
            return Image.of(data, f"image/{said['format']}" if "format" in said else None)
        case _:
            return None
