"""The two styles in which OpenAI and its kin are asked: what both must be able to do."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import openai
from pydantic import BaseModel

from towpath.models.openai.forms import Form
from towpath.models.port import Citation, ModelReply, ModelRequest, Piece
from towpath.tools.calls import ToolCall
from towpath_schemas.usage import Usage

Answer = TypeVar("Answer")

_CHOICES = {"auto": "auto", "any": "required", "none": "none"}


class Question(NamedTuple):
    """What is asked.

    Attributes:
        model: The model's name at the provider.
        form: The form in which the answer is asked for.
    """

    model: str
    request: ModelRequest
    form: Form | None


class Listener(Protocol):
    """Puts an answer together of the events in which it comes."""

    def hear(self, event: Any) -> Iterator[Piece]:
        """Take in an event, and tell what it adds.

        Raises:
            SaidSoError: If it tells an error.
        """
        ...

    def reply(self) -> ModelReply:
        """Return the whole answer.

        Raises:
            ValueError: If its end did not come.
        """
        ...


class Style(Protocol):
    """A way of asking."""

    @property
    def answers(self) -> str:
        """What it is that is answered, for messages."""
        ...

    def body(self, question: Question) -> dict[str, Any]:
        """Write the body of a request."""
        ...

    async def answer(self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any) -> Any:
        """Send a request, and wait for the whole answer."""
        ...

    async def events(
        self, client: openai.AsyncOpenAI, body: dict[str, Any], **options: Any
    ) -> "openai.AsyncStream[Any] | AsyncIterator[Any]":
        """Send a request, and wait until its answer begins."""
        ...

    def reply(self, answer: Any) -> ModelReply:
        """Read a whole answer.

        Raises:
            ValueError: If it is none.
            SaidSoError: If it tells an error instead.
        """
        ...

    def listener(self) -> Listener:
        """Begin to listen."""
        ...


def tool_call(call_id: str | None, name: str | None, arguments: Any) -> ToolCall:
    """Read a tool call; some servers give no id, and then it gets one.

    Raises:
        ValueError: If it names no tool.
    """
    if not name:
        raise ValueError("a tool call names no tool")
    return ToolCall(id=call_id or f"call_{secrets.token_hex(12)}", name=name, arguments=_arguments(arguments))


def said_only(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out of the body of a request what is not said in it."""
    return {name: value for name, value in body.items() if value not in (None, [])}


def tool_choice(request: ModelRequest, named: dict[str, Any]) -> str | dict[str, Any] | None:
    """Write which tools the model may or must call; `named` says it of the one that is chosen."""
    if request.tool_choice is None or not request.tools:
        return None
    return _CHOICES.get(request.tool_choice, named)


def checked(answer: Any, kind: type[Answer]) -> Answer:
    """Pass where an answer is of the kind that was asked for.

    Raises:
        TypeError: If it is another.
    """
    if not isinstance(answer, kind):
        raise TypeError(f"it is {type(answer).__name__}; does the base URL end as it should, such as in /v1?")
    return answer


def consumed(input_tokens: int | None, output_tokens: int | None, details: Any) -> Usage:
    """Read what an answer has consumed; `details` are of its input tokens, which some servers do not tell."""
    return Usage(
        input_tokens=input_tokens or 0,
        output_tokens=output_tokens or 0,
        cache_read_tokens=getattr(details, "cached_tokens", None) or 0,
        cache_write_tokens=getattr(details, "cache_write_tokens", None) or 0,
    )


def citation(annotation: Any, begins: int = 0) -> Citation | None:
    """Read an annotation of a text; None where it is of a kind that cites nothing.

    Args:
        annotation: As it was sent, or as the library read it.
        begins: Where the annotated part begins in the text of the answer.
    """
    said: Any = annotation.model_dump() if isinstance(annotation, BaseModel) else annotation
    match said:
        case {"type": "url_citation", "url_citation": {"url": str() as url, **about}}:  # of chat completions
            return _citation(about, begins, url=url)
        case {"type": "url_citation", "url": str() as url, **about}:
            return _citation(about, begins, url=url)
        case {"type": "file_citation" | "container_file_citation", "file_id": str() as file_id, **about}:
            return _citation(about, begins, file_id=file_id)
        case _:
            return None


def _citation(about: Mapping[str, Any], begins: int, **source: str) -> Citation:
    start, end = about.get("start_index", about.get("index")), about.get("end_index", about.get("index"))
    return Citation(
        title=about.get("title") or about.get("filename"),
        start=None if start is None else begins + start,
        end=None if end is None else begins + end,
        **source,
    )


def written_arguments(arguments: Any) -> str:
    """Write the arguments of a call as models write them: some servers read them, as JSON, before they send them on."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments)


def _arguments(written: Any) -> Any:
    """Read the arguments of a call; what is no JSON stays text, and the tool tells the model so."""
    if not isinstance(written, str):
        return written
    try:
        return json.loads(written or "{}")
    except json.JSONDecodeError:
        return written
