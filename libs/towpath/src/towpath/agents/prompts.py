"""What an agent is told: prompts in all the ways they are written, as messages."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast, get_args

from pydantic import ValidationError

from towpath.agents.content import DictMessage, dict_messages
from towpath.errors import InvalidInputError
from towpath.models.images import Image
from towpath.models.port import Message, Role
from towpath.models.prompts import messages_of, text_of
from towpath_schemas.shape import problems

_ROLES = get_args(Role)

Prompt = str | Sequence[Any] | None
"""Text; content blocks, or text and images, which are one message of the user's; messages; or None, to go on."""


def prompt_messages(prompt: Any) -> list[DictMessage]:
    """Read a prompt as messages.

    Raises:
        InvalidInputError: If it is nothing of what a prompt may be (also a ValueError).
    """
    match prompt:
        case None:
            return []
        case str():
            return [{"role": "user", "content": [{"text": prompt}]}]
        case Message() | Image():
            return dict_messages(messages_of([prompt]))
        case list() | tuple():
            return _listed(cast("Sequence[Any]", prompt))
        case _:
            raise InvalidInputError(
                f"a prompt is text, a list of content blocks, a list of messages, or None; not {type(prompt).__name__}"
            )


def _listed(items: Sequence[Any]) -> list[DictMessage]:
    if all(map(_is_message, items)):
        return history_of(items)
    if any(map(_is_message, items)):
        raise InvalidInputError("a prompt that is a list holds messages (role and content) only, or none")
    if all(isinstance(item, Mapping) for item in items):
        return [{"role": "user", "content": [dict(item) for item in items]}]
    return dict_messages(messages_of(items))


def _is_message(item: Any) -> bool:
    return isinstance(item, Message) or (isinstance(item, Mapping) and "role" in item)


def history_of(messages: Iterable[Any]) -> list[DictMessage]:
    """Read messages as dicts; one that is written so already is taken as it is.

    Raises:
        InvalidInputError: If something is no message; it says which.
    """
    read: list[DictMessage] = []
    for place, message in enumerate(messages):
        if _is_dict_message(message):
            read.append(cast("DictMessage", message))
        else:
            read.extend(_read(message, place))
    return read


def _is_dict_message(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    said = cast("DictMessage", message)
    blocks = said.get("content")
    return (
        isinstance(blocks, list)
        and said.get("role") in _ROLES
        and all(map(_is_block, cast("list[Any]", blocks)))
    )


def _is_block(block: Any) -> bool:
    return isinstance(block, Mapping)


def _read(message: Any, place: int) -> list[DictMessage]:
    if not _is_message(message):
        raise InvalidInputError(
            f"messages[{place}]: a message is a mapping of role and content, not {type(message).__name__}"
        )
    try:
        return dict_messages(messages_of([message]))
    except ValidationError as error:
        raise InvalidInputError(f"messages[{place}]: {problems(error)}") from error
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"messages[{place}]: {error}") from error


def system_blocks(prompt: Any) -> list[dict[str, Any]]:
    """Read a system prompt as content blocks.

    Raises:
        TypeError: If it is neither text nor blocks.
    """
    match prompt:
        case None:
            return []
        case str():
            return [{"text": prompt}]
        case list() | tuple() if all(isinstance(block, Mapping) for block in cast("Sequence[Any]", prompt)):
            return [dict(block) for block in cast("Sequence[Mapping[str, Any]]", prompt)]
        case _:
            return [{"text": text_of(prompt)}]


def system_text(blocks: Sequence[Mapping[str, Any]]) -> str | None:
    """Return the text of a system prompt; None where there is none."""
    texts = [block["text"] for block in blocks if "text" in block]
    return "\n".join(texts) if texts else None
