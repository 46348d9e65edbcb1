"""What of a conversation is to be remembered: all of it, or what a model finds worth knowing later."""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from hashlib import sha256
from typing import Any, Literal, NamedTuple

from pydantic import Field

from towpath.context import Context
from towpath.errors import ConfigurationError, InvalidInputError
from towpath.models.port import LanguageModel
from towpath.remembering.items import MAX_ITEM_BYTES, size_of
from towpath.sessions.events import SessionMessage
from towpath.sessions.session import Session
from towpath_schemas.shape import Shape

Strategy = Literal["smart", "all", "summary", "key_points"]
Model = str | LanguageModel | None

_SMART = (
    "Below is a conversation. List the facts that are worth knowing in later conversations: who the people are, what "
    "they know, have, want, prefer and decided. Each fact is one sentence that can be understood by itself. Leave out "
    "small talk, and what only matters now."
)
_KEY_POINTS = (
    "Below is a conversation. List its key points, each as one sentence that can be understood by itself."
)
_SUMMARY = (
    "Summarize the conversation below in a few sentences, for somebody who meets the same people later. Answer with the "
    "summary alone."
)
_AT_ONCE = 200
"""How many messages a model reads at once."""


class Note(NamedTuple):
    """Something to remember.

    Attributes:
        what: What people call it, such as `message 7`.
        key: What it is remembered under.
        content: What is remembered.
        metadata: What else is said about it.
    """

    what: str
    key: str
    content: str
    metadata: dict[str, Any]


class Fact(Shape):
    """A fact that a model has found.

    Attributes:
        fact: The fact, as a sentence.
        type: What kind of fact, such as `preference`.
        confidence: How certain it is, from 0 to 1.
    """

    fact: str = Field(min_length=1)
    type: str = "fact"
    confidence: float = Field(default=1.0, ge=0, le=1)


async def ingested(context: Context, session: Session, strategy: Strategy, model: Model) -> list[Note]:
    """Read a session, and say what of it is to be remembered.

    Raises:
        ConfigurationError: If the strategy is not known.
        InvalidInputError: If something is too large to be remembered.
    """
    ingest = _STRATEGIES.get(strategy)
    if ingest is None:
        known = ", ".join(map(repr, _STRATEGIES))
        raise ConfigurationError(f"strategy is {strategy!r}; a session is ingested by one of {known}")
    messages = [
        one for one in await session.history() if one.role in ("user", "assistant") and one.content.strip()
    ]
    notes = await ingest(context, session, messages, model) if messages else []
    for note in notes:
        _check(session, note)
    return notes


def _check(session: Session, note: Note) -> None:
    size = size_of(note.content, note.metadata)
    if size > MAX_ITEM_BYTES:
        raise InvalidInputError(
            f"{note.what} of session {session.id!r} has {size:,} bytes with its metadata, and a memory may have "
            f"{MAX_ITEM_BYTES:,}; nothing of the session was remembered: ingest it by another strategy, such as "
            "'summary', or store its parts under keys of your own"
        )


async def _all(
    context: Context, session: Session, messages: Sequence[SessionMessage], model: Model
) -> list[Note]:
    return [
        _note(
            session,
            "message",
            str(one.number),
            one.content,
            role=one.role,
            timestamp=one.timestamp.isoformat(),
        )
        for one in messages
    ]


async def _summary(
    context: Context, session: Session, messages: Sequence[SessionMessage], model: Model
) -> list[Note]:
    summary = ""
    for page in _pages(messages):
        before = f"Summary of what came before: {summary}\n\n" if summary else ""
        told = f"{before}{_transcript(page)}"
        summary = (await context.llm.generate(told, system=_SUMMARY, model=model, temperature=0)).text
    return [_note(session, "summary", "", summary, messages=len(messages))] if summary.strip() else []


async def _smart(
    context: Context, session: Session, messages: Sequence[SessionMessage], model: Model
) -> list[Note]:
    notes: list[Note] = []
    for page in _pages(messages):
        answer = await context.llm.generate(
            _transcript(page), system=_SMART, model=model, schema=list[Fact], temperature=0
        )
        facts: list[Fact] = answer.object
        notes += [
            _note(session, "fact", _digest(one.fact), one.fact, type=one.type, confidence=one.confidence)
            for one in facts
        ]
    return _once(notes)


async def _key_points(
    context: Context, session: Session, messages: Sequence[SessionMessage], model: Model
) -> list[Note]:
    notes: list[Note] = []
    for page in _pages(messages):
        answer = await context.llm.generate(
            _transcript(page), system=_KEY_POINTS, model=model, schema=list[str], temperature=0
        )
        points: list[str] = answer.object
        notes += [_note(session, "key_point", _digest(one), one) for one in points if one.strip()]
    return _once(notes)


_STRATEGIES: dict[
    str, Callable[[Context, Session, Sequence[SessionMessage], Model], Coroutine[Any, Any, list[Note]]]
] = {
    "smart": _smart,
    "all": _all,
    "summary": _summary,
    "key_points": _key_points,
}


def _pages(messages: Sequence[SessionMessage]) -> Iterable[Sequence[SessionMessage]]:
    return (messages[begin : begin + _AT_ONCE] for begin in range(0, len(messages), _AT_ONCE))


def _transcript(messages: Iterable[SessionMessage]) -> str:
    return "\n".join(f"{one.role}: {one.content}" for one in messages)


def _note(session: Session, kind: str, which: str, content: str, **more: Any) -> Note:
    """Write a note under a key that is the same whenever the same is noted of a session."""
    name = "/".join(part for part in ("session", _digest(session.id), kind, which) if part)
    what = " ".join(filter(None, (kind, which)))
    return Note(what, name, content, {"type": kind, "source_session": session.id, **more})


def _once(notes: Iterable[Note]) -> list[Note]:
    return [*{note.key: note for note in notes}.values()]


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]
