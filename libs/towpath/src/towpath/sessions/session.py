"""`Session`: a conversation that agents, runs and programs share, with the state that goes with it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from towpath.argument_types import check_arguments
from towpath.entity_handle import EntityHandle
from towpath.errors import ConfigurationError, InvalidInputError, SessionError
from towpath.local.running import here
from towpath.models.port import Message, Role
from towpath.scopes import SessionScope
from towpath.sessions.about import About, Retention, retention_of
from towpath.sessions.condensing import Model, summary
from towpath.sessions.events import (
    Said,
    SessionEvent,
    SessionMessage,
    as_jsonl,
    as_message,
    messages_among,
    read_events,
)
from towpath.sessions.head import Head, Taken
from towpath.sessions.known_events import KnownEvents, known_in
from towpath.sessions.scoped_state import ScopedState, asked
from towpath.sessions.strategies import strategy_of
from towpath.tools.calls import ToolCall
from towpath.values import to_json_value
from towpath_schemas.sessions import SESSION_TYPE
from towpath_schemas.shape import problems

_PAGE = 500
"""How many events are read at once."""


class Opened(NamedTuple):
    """What whoever speaks in a session begins with.

    Attributes:
        scope: The session, with the user and the app that it was told of, whether or not they are said now.
        messages: Those in view, as a model is told them.
    """

    scope: SessionScope
    messages: list[Message]


class Session(ScopedState):
    """A conversation: messages in order, and state.

    The object itself keeps nothing but what was set and not written yet: the conversation is an entity, known by the
    id, which begins with what is first written to it and goes on wherever the id is named again. In a run each act is
    journaled; in a plain script the same code works in memory.

    Several agents may use a session at once: each appends its whole turn, from the prompt to the answer, as one
    commit when it ends. So turns never mix; they stand in the order in which they ended, and an agent sees those that
    ended before its own began.

    A session with a user is that user's: a run of another user may neither read, change nor delete it. One without a
    user is shared by all who know its id, and a run without a user reaches every session.

    A session has room for 32 MiB with all its events. What is pruned by `prune` stays among them; a long-lived session
    is given `auto_prune`, by which it forgets what it prunes.

    Args:
        id: What it is known by, within the tenant.
        app_name: The app it belongs to, for state of scope `app`.
        user_id: The user it belongs to, for state of scope `user`.
        metadata: What else is to be known about it; JSON.
        retention: `ttl_days`, `immutable`, `auto_prune`; see `Retention`. What is said last holds, except that an
            immutable session stays as it is.

    Raises:
        ConfigurationError: If an id is empty, or the retention cannot be.
        NotSerialisableError: If JSON cannot carry the metadata.
    """

    @check_arguments
    def __init__(
        self,
        id: str,  # noqa: A002 - the seed's name
        app_name: str | None = None,
        user_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        retention: Retention | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.id = _not_empty("id", id)
        self.app_name = None if app_name is None else _not_empty("app_name", app_name)
        self.user_id = None if user_id is None else _not_empty("user_id", user_id)
        self.metadata: dict[str, Any] = to_json_value(metadata or {})
        self.retention = retention_of(retention)
        self._about = About(
            app_name=app_name, user_id=user_id, metadata=self.metadata, retention=self.retention
        )

    def __repr__(self) -> str:
        return f"Session({self.id!r})"

    # --- Messages -----------------------------------------------------------------------------------

    async def send_message(
        self,
        content: str,
        role: Role = "user",
        *,
        metadata: Mapping[str, Any] | None = None,
        tool_calls: Sequence[ToolCall] = (),
        tool_call_id: str | None = None,
    ) -> SessionMessage:
        """Append one message, and return it as it is kept; no model is asked.

        Args:
            content: Its text.
            role: Who says it: `user`, `assistant`, `tool` or `system`.
            metadata: What else is to be known about it; JSON.
            tool_calls: Of an assistant's message, the tools it asks for.
            tool_call_id: Of a tool's message, the call it answers.

        Raises:
            SessionError: If the session belongs to another user or app.
            ContextError: If it belongs to another user than the run does.
            InvalidInputError: If this is no message.
        """
        said = {"role": role, "content": content, "tool_calls": tool_calls, "tool_call_id": tool_call_id}
        (message,) = await self.append([said], metadata)
        return message

    async def append(
        self, messages: Iterable[Message | Mapping[str, Any]], metadata: Mapping[str, Any] | None = None
    ) -> list[SessionMessage]:
        """Append messages in one commit, so that nothing of anybody else's comes between them.

        State of the scope `session` that was set here is part of the commit. That of its user and its app, which are no
        part of the session, is written before.

        Args:
            messages: The messages, or mappings of `role`, `content` and the like.
            metadata: What is to be known about each of them beside what they say themselves.

        Raises:
            SessionError: If the session belongs to another user or app.
            ContextError: If it belongs to another user than the run does.
            InvalidInputError: If something is no message.
            ComponentError: If the session has no more room.
        """
        return await self.append_with({}, messages, metadata)

    async def append_with(
        self,
        state: Mapping[str, Any],
        messages: Iterable[Message | Mapping[str, Any]],
        metadata: Mapping[str, Any] | None = None,
    ) -> list[SessionMessage]:
        """Append messages and set state of the scope `session` in one commit: both are kept, or neither; see `append`."""
        more = to_json_value(metadata or {})
        said = [_said(message, more) for message in messages]
        await self.flush_shared()
        async with self.own_state.written_beside(state) as changes:
            beside = changes._asdict() if changes else {}
            appended = self._entity.append(about=self._about, messages=said, **beside)
            taken = Taken.model_validate(await asked(appended))
        kept = taken.as_kept(said)
        self._known(taken.life).learn(kept)
        return kept

    async def history(self, limit: int | None = None) -> list[SessionMessage]:
        """Return the messages in view, oldest first; those that were pruned are not.

        Args:
            limit: Only the newest so many.
        """
        await self.flush()
        head = await self.head()
        return messages_among(await self._read(head, head.view.newest(_checked_limit(limit))))

    async def opened(self) -> Opened:
        """Read what whoever speaks in it begins with."""
        await self.flush()
        head = await self.head()
        messages = messages_among(await self._read(head, head.view.numbers))
        return Opened(self.scope(head), [as_message(message) for message in messages])

    def scope(self, head: Head) -> SessionScope:
        """Tell whose it is: what is said now, or else what it was told before."""
        about = head.about
        return SessionScope(self.id, self.user_id or about.user_id, self.app_name or about.app_name)

    async def head(self) -> Head:
        """Tell what the session was told about itself, how many events it has, and which messages are in view."""
        return Head.model_validate(await asked(self._entity.head(about=self._about)))

    # --- What happened ------------------------------------------------------------------------------

    async def events(
        self, since: datetime | str | None = None, limit: int | None = None
    ) -> list[SessionEvent]:
        """Return what happened in the session, oldest first: messages, pruned ones too, prunings, changes of state.

        A session that prunes itself (`auto_prune`) keeps only what is in its history, and its newest events.

        Args:
            since: Only from this moment on; text as ISO 8601 writes it, and UTC where it names no time zone.
            limit: Only the first so many of them.

        Raises:
            SessionError: If `since` cannot be read.
        """
        await self.flush()
        begin, limit = _moment(since), _checked_limit(limit)
        head = await self.head()
        if begin is None:
            return await self._read(head, head.numbers[:limit])
        return (await self._since(begin, head))[:limit]

    async def _since(self, begin: datetime, head: Head) -> list[SessionEvent]:
        """Read backwards, page by page, until what is older."""
        found: list[SessionEvent] = []
        unread = head.numbers
        while unread and (not found or found[0].timestamp >= begin):
            found = await self._read(head, unread[-_PAGE:]) + found
            unread = unread[:-_PAGE]
        return [event for event in found if event.timestamp >= begin]

    async def export(self, format: str = "jsonl") -> str:  # noqa: A002 - the seed's name
        """Write all messages there were, pruned ones too, a line of JSON each; see `events` for what is kept.

        Each line has `timestamp`, `role`, `message`, `metadata` and `tool_calls`; that of a tool's answer also has
        `tool_call_id`.

        Raises:
            SessionError: If the format is another.
        """
        if format != "jsonl":
            raise SessionError(f"a session cannot be exported as {format!r}; there is 'jsonl'")
        return as_jsonl(event for event in await self.events() if event.kind == "message")

    # --- Pruning and deleting -----------------------------------------------------------------------

    async def prune(
        self,
        strategy: str,
        *,
        window_size: int | None = None,
        threshold: int | None = None,
        model: Model = None,
    ) -> int:
        """Take messages out of the history, and return how many; `events` and `export` keep them.

        A call of tools stays together with its results, and one that waits for them is left.

        Args:
            strategy: `keep_last_<n>`: all but the newest n. `sliding_window`: all but system messages and the newest
                whole turns that fit. `keep_important`: all that a model finds unimportant. `summarize_old`: all but
                the newest, in whose place a model writes a summary. `keep_summary`: all, likewise.
            window_size: Of `sliding_window`, how many messages it keeps; 100 if not given.
            threshold: Of `summarize_old`, how many messages it leaves as they are; 50 if not given.
            model: Who is asked, where a model is; the default model if not given.

        Raises:
            SessionError: If there is no such strategy, or the session is immutable.
            ModelError: If the model failed.
        """
        chosen = strategy_of(strategy, window_size=window_size, threshold=threshold)
        await self.flush()
        head = await self._prunable()
        messages = messages_among(await self._read(head, head.view.numbers, words=chosen.reads_words))
        dropped = await chosen.dropped(here(), messages, model)
        if not dropped:
            return 0
        instead = await summary(here(), dropped, model) if chosen.summarizes else None
        numbers = [message.number for message in dropped]
        return await asked(
            self._entity.prune(about=self._about, strategy=strategy, dropped=numbers, summary=instead)
        )

    async def _prunable(self) -> Head:
        """Read the head; an immutable session refuses before a model is paid."""
        head = await self.head()
        if head.about.with_news(self.id, self._about).is_immutable:
            raise SessionError(f"session {self.id!r} is immutable, so it cannot be pruned")
        return head

    async def delete(self) -> int:
        """Delete the session with its own state, and return how many events it had.

        What runs did in it stays in their journals and in the audit stream; state of its user and app stays.

        Raises:
            SessionError: If the session is immutable.
            ContextError: If it belongs to another user than the run does.
        """
        await self.flush()
        return await asked(self._entity.delete(about=self._about))

    # --- Its entity ---------------------------------------------------------------------------------

    @property
    def _entity(self) -> EntityHandle:
        return self._entity_of(SESSION_TYPE, self.id)

    async def _read(self, head: Head, numbers: Sequence[int], *, words: bool = True) -> list[SessionEvent]:
        """Read events that are not known here yet, page by page; without `words`, not what messages say."""
        known = self._known(head.life)
        missing, read = known.missing(numbers), list[SessionEvent]()
        for start in range(0, len(missing), _PAGE):
            page = missing[start : start + _PAGE]
            read += read_events(await asked(self._entity.events(numbers=page, words=words)))
        if words:
            known.learn(read)
        return known.among(numbers, read)

    def _known(self, life: str | None) -> KnownEvents:
        return known_in(self._invocation(), self.id, life)


def _said(message: Message | Mapping[str, Any], metadata: Mapping[str, Any]) -> Said:
    own = message.metadata if isinstance(message, Said) else {}
    written = _fields(as_message(message)) if isinstance(message, Message) else message
    try:
        return Said.model_validate({**written, "metadata": {**own, **metadata}})
    except ValidationError as error:
        raise InvalidInputError(f"this is no message: {problems(error)}") from error


def _fields(message: Message) -> dict[str, Any]:
    return {**message.model_dump(), "citations": message.citations}


def _not_empty(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"Session({name}=...) takes text that is not empty, not {value!r}")
    return value


def _checked_limit(limit: Any) -> int | None:
    if limit is not None and (not isinstance(limit, int) or limit < 0):
        raise SessionError(f"limit={limit!r}: give how many at the most, 0 or more")
    return limit


def _moment(since: datetime | str | None) -> datetime | None:
    if since is None:
        return None
    try:
        at = since if isinstance(since, datetime) else datetime.fromisoformat(str(since))
    except ValueError as error:
        raise SessionError(f"since={since!r} is no date or time as ISO 8601 writes it: {error}") from error
    return at if at.tzinfo else at.replace(tzinfo=UTC)
