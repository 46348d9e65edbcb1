"""Messages as programs see them, as dicts of content blocks, and as models are told them: both ways.

Images that are named by an address, which no block can hold as bytes, are `{"image": {"source": {"url": ...}}}`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from pydantic_core import to_json

from towpath.errors import InvalidInputError
from towpath.models.images import Image
from towpath.models.port import Citation, Message, ModelReply
from towpath.tools.calls import ToolCall

DictMessage = dict[str, Any]
"""`{"role": ..., "content": [block, ...]}`; a block is a dict with one key, such as `text` or `toolUse`."""

# --- From dicts to what models are told -------------------------------------------------------------


def port_messages(message: DictMessage) -> list[Message]:
    """Write one dict message as models are told it: each tool result is a message of its own, before the rest.

    Raises:
        InvalidInputError: If a block is of no kind that models can be told.
    """
    results = [_told_result(block["toolResult"]) for block in message["content"] if "toolResult" in block]
    rest = [block for block in message["content"] if "toolResult" not in block]
    if results and not rest:
        return results
    return [*results, _told(message["role"], rest)]


def _told(role: Any, blocks: Sequence[Mapping[str, Any]]) -> Message:
    texts: list[str] = []
    calls: list[ToolCall] = []
    images: list[Image] = []
    citations: list[Citation] = []
    thought: Mapping[str, Any] = {}
    for block in blocks:
        match block:
            case {"text": str() as text}:
                texts.append(text)
            case {"toolUse": use}:
                calls.append(call_of(use))
            case {"image": image}:
                images.append(_image(image))
            case {"reasoningContent": {"reasoningText": reasoning}}:
                thought = reasoning
            case {"reasoningContent": {"redactedContent": bytes() as data}}:
                thought = {"signature": data.decode(errors="replace"), **thought}
            case {"citationsContent": {**cited}}:
                texts.extend(part["text"] for part in cited.get("content", ()) if "text" in part)
                citations.extend(map(_citation, cited.get("citations", ())))
            case {"reasoningContent": _} | {"cachePoint": _}:
                pass  # what only the provider reads that wrote it
            case _:
                raise InvalidInputError(f"a message holds {_kinds(block)}, which models are not told")
    return Message(
        role=role,
        content="\n".join(texts),
        tool_calls=tuple(calls),
        images=tuple(images),
        reasoning=thought.get("text", ""),
        reasoning_signature=thought.get("signature"),
        citations=tuple(citations),
    )


def _citation(written: Mapping[str, Any]) -> Citation:
    """Read what `citation_block` wrote."""
    location, span = written.get("location", {}), written.get("span", {})
    return Citation(
        title=written.get("title"),
        url=location.get("web", {}).get("url"),
        file_id=location.get("file", {}).get("fileId"),
        start=span.get("start"),
        end=span.get("end"),
    )


def _told_result(result: Mapping[str, Any]) -> Message:
    parts = cast("Sequence[Mapping[str, Any]]", result.get("content", ()))
    failed = result.get("status") == "error"
    if len(parts) == 1 and "text" in parts[0]:
        return Message(role="tool", content=parts[0]["text"], tool_call_id=result["toolUseId"], failed=failed)
    texts = [_result_text(part) for part in parts if "image" not in part]
    return Message(
        role="tool",
        content="\n".join(texts),
        tool_call_id=result["toolUseId"],
        images=tuple(_image(part["image"]) for part in parts if "image" in part),
        failed=failed,
    )


def _result_text(part: Mapping[str, Any]) -> str:
    match part:
        case {"text": str() as text}:
            return text
        case {"json": value}:
            return to_json(value).decode()
        case _:
            raise InvalidInputError(f"a tool result holds {_kinds(part)}, which models are not told")


def _image(image: Mapping[str, Any]) -> Image:
    match image:
        case {"source": {"url": str() as url}}:
            return Image(url=url)
        case {"source": {"bytes": bytes() as data}, **said}:
            kind = said.get("format")
            return Image.of(data, None if kind is None else f"image/{kind}")
        case _:
            raise InvalidInputError("an image needs source.bytes, with its format, or source.url")


def call_of(use: Mapping[str, Any]) -> ToolCall:
    """Read a `toolUse` block."""
    return ToolCall(id=use["toolUseId"], name=use["name"], arguments=use.get("input"))


def _kinds(block: Mapping[str, Any]) -> str:
    return " and ".join(map(repr, block)) or "an empty block"


# --- From what models say to dicts ------------------------------------------------------------------


def dict_messages(messages: Iterable[Message]) -> list[DictMessage]:
    """Write messages of the port as dicts; tool results that follow each other become one message."""
    written: list[DictMessage] = []
    answering = False
    for message in messages:
        if message.role == "tool" and answering:
            written[-1]["content"] += _result_blocks(message)
            continue
        answering = message.role == "tool"
        blocks = _result_blocks(message) if answering else _blocks(message)
        written.append({"role": "user" if answering else message.role, "content": blocks})
    return written


def reply_message(reply: ModelReply) -> DictMessage:
    """Write what a model answered as a dict message."""
    return {"role": "assistant", "content": _blocks(reply.as_message())}


def citation_block(citation: Citation) -> dict[str, Any]:
    """Write where a part of a text comes from: `title`, `location`, and the `span` of characters it is about."""
    location = (
        {"file": {"fileId": citation.file_id}} if citation.url is None else {"web": {"url": citation.url}}
    )
    span = {"start": citation.start, "end": citation.end}
    said = {"title": citation.title, "location": location, "span": None if citation.start is None else span}
    return {name: one for name, one in said.items() if one is not None}


def _blocks(message: Message) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if message.reasoning:
        signature = message.reasoning_signature
        thought = {"text": message.reasoning} | ({} if signature is None else {"signature": signature})
        blocks.append({"reasoningContent": {"reasoningText": thought}})
    elif message.reasoning_signature:
        blocks.append({"reasoningContent": {"redactedContent": message.reasoning_signature.encode()}})
    if message.content or not message.tool_calls:
        blocks.append({"text": message.content})
    blocks.extend({"toolUse": use_of(call)} for call in message.tool_calls)
    blocks.extend(map(_image_block, message.images))
    if message.citations:
        blocks.append({"citationsContent": {"citations": [*map(citation_block, message.citations)]}})
    return blocks


def use_of(call: ToolCall) -> dict[str, Any]:
    """Write a tool call as the content of a `toolUse` block."""
    return {"toolUseId": call.id, "name": call.name, "input": call.arguments}


def _result_blocks(message: Message) -> list[dict[str, Any]]:
    content = [{"text": message.content}, *map(_image_block, message.images)]
    status = "error" if message.failed else "success"
    return [{"toolResult": {"toolUseId": message.tool_call_id, "status": status, "content": content}}]


def _image_block(image: Image) -> dict[str, Any]:
    if image.data is None:
        return {"image": {"source": {"url": image.url}}}
    kind = (image.media_type or "").removeprefix("image/")
    return {"image": {"format": kind, "source": {"bytes": image.data}}}


# --- What is remembered of them ---------------------------------------------------------------------


class Translation:
    """The messages of one conversation as models are told them; what has not changed is not translated again.

    Hooks, tools and managers may change the list and its dicts as they like: each dict is held against a copy of
    its content.
    """

    def __init__(self) -> None:
        self._new: dict[int, _Translated] = {}
        self._known: list[_Translated] = []
        self._dicts: list[DictMessage] = []
        self._told: list[Message] = []

    def of(self, messages: list[DictMessage], *, watched: bool = True) -> tuple[Message, ...]:
        """Translate a conversation; costs what is new, where messages were only added.

        Args:
            messages: The conversation.
            watched: Whether somebody may have changed within a dict since; else only the list may have changed.

        Raises:
            InvalidInputError: If a message cannot be told to a model.
        """
        is_longer = messages[: len(self._dicts)] == self._dicts  # what is the same object is not looked into
        earlier = {} if is_longer and not (watched and self._has_changes()) else self._emptied()
        for message in messages[len(self._dicts) :]:
            self._add(_translated(message, earlier.get(id(message)) or self._new.pop(id(message), None)))
        self._new.clear()
        return tuple(self._told)

    def learn(self, message: DictMessage, told: Message) -> None:
        """Take the translation of a message that is about to be added, from who knows it already."""
        self._new[id(message)] = _Translated(message, message["role"], copied(message["content"]), [told])

    def _has_changes(self) -> bool:
        return not all(one.holds for one in self._known)

    def _emptied(self) -> "dict[int, _Translated]":
        """Begin again, and return what was known by the identity of the dicts."""
        known = {id(one.message): one for one in self._known}
        self._known, self._dicts, self._told = [], [], []
        return known

    def _add(self, translated: "_Translated") -> None:
        self._known.append(translated)
        self._dicts.append(translated.message)
        self._told.extend(translated.told)


class _Translated(NamedTuple):
    """A message, a copy of its content when it was translated, and its translation."""

    message: DictMessage
    role: str
    content: list[dict[str, Any]]
    told: Sequence[Message]

    @property
    def holds(self) -> bool:
        """Whether the translation is still that of the message."""
        return self.message["content"] == self.content and self.message["role"] == self.role


def _translated(message: DictMessage, earlier: _Translated | None) -> _Translated:
    if earlier is not None and earlier.holds:
        return earlier
    return _Translated(message, message["role"], copied(message["content"]), port_messages(message))


def copied(value: Any) -> Any:
    """Copy a value of dicts and lists; what is in them is shared."""
    copy = _COPIES.get(type(value))
    return value if copy is None else copy(value)


def _copied_dict(value: dict[Any, Any]) -> dict[Any, Any]:
    return {key: copied(item) if type(item) in _COPIES else item for key, item in value.items()}


def _copied_list(value: list[Any]) -> list[Any]:
    return [copied(item) if type(item) in _COPIES else item for item in value]


_COPIES: dict[Any, Callable[[Any], Any]] = {dict: _copied_dict, list: _copied_list}
