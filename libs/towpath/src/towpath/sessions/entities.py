"""The built-in entities that sessions are made of: one for each session, one for the state of each user and app.

A session keeps each event as a value of its own, so that a commit carries only what is new, and beside them one small
value, its head, which says how many events there are and which messages are in view.
"""

from datetime import datetime, timedelta
from typing import Any

from towpath.context import Context
from towpath.entities import builtin_entity
from towpath.errors import SessionError
from towpath.sessions.about import About, Retention
from towpath.sessions.events import (
    HistoryPruned,
    Said,
    SessionEvent,
    SessionMessage,
    StateChanged,
    messages_in,
)
from towpath.sessions.head import Head, Taken
from towpath.sessions.keeping import change, drop_all, kept
from towpath.sessions.pruning import older_than
from towpath.sessions.view import View
from towpath_schemas.sessions import HEAD, SESSION_TYPE, STATE_TYPE, event_value
from towpath_schemas.shape import Shape

SESSION = builtin_entity(SESSION_TYPE)
STATE = builtin_entity(STATE_TYPE)

_WORDS = frozenset({"content", "metadata"})


# --- Reading --------------------------------------------------------------------------------------


@SESSION.shared
async def head(ctx: Context, about: About) -> dict[str, Any]:
    """Tell what the session knows without looking at its events."""
    known = await _head(ctx)
    _told(ctx, known, about)
    return _written(known)


@SESSION.shared
async def events(ctx: Context, numbers: list[int], *, words: bool = True) -> list[dict[str, Any]]:
    """Return events by their numbers, those there are; without `words`, not what messages say."""
    (await _head(ctx)).about.check_reach(str(ctx.object_id), ctx.attribution)
    found = [await ctx.get(event_value(number)) for number in numbers]
    return [event if words else _outline(event) for event in found if event is not None]


@SESSION.shared
async def values(ctx: Context, about: About) -> dict[str, Any]:
    """Return the state of the session's own scope."""
    await _head_with(ctx, about)
    return await kept(ctx)


# --- Writing --------------------------------------------------------------------------------------


@SESSION.write
async def append(
    ctx: Context,
    about: About,
    messages: list[Said],
    values: dict[str, Any] | None = None,
    deleted: list[str] | None = None,
) -> Taken:
    """Take messages, all in a row, and tell as what; a session that prunes itself is short again.

    State of the session's own scope that was changed until they were said is changed in the same commit, before them.
    """
    known = _alive(ctx, await _head_with(ctx, about))
    at = _moment(ctx, known)
    changed = [await _changed(ctx, known, at, values or {}, deleted or [])] if values or deleted else []
    first = known.count + len(changed)
    taken = Taken(first=first, timestamp=at, run_id=ctx.run_id, life=known.life)
    view = known.view.with_new(first, len(messages))
    await _keep(ctx, known, [*changed, *taken.as_kept(messages)], view)
    await _forget(ctx, await _too_old(ctx))
    return taken


@SESSION.write
async def prune(
    ctx: Context, about: About, strategy: str, dropped: list[int], summary: Said | None = None
) -> int:
    """Take messages out of the view, put a summary in their place, and return how many were in view.

    Raises:
        SessionError: If the session is immutable.
    """
    known = await _head_with(ctx, about)
    _refuse_if_immutable(ctx, known, "pruned")
    found = set(known.view.numbers).intersection(dropped)
    if not found:
        return 0
    at = _moment(ctx, known)
    new: list[SessionEvent] = []
    if summary is not None:
        new.append(
            SessionMessage(number=known.count, timestamp=at, run_id=ctx.run_id, **summary.model_dump())
        )
    put = new[0].number if new else None
    number = known.count + len(new)
    new.append(
        HistoryPruned(
            number=number,
            timestamp=at,
            run_id=ctx.run_id,
            strategy=strategy,
            dropped=len(found),
            summary=put,
        )
    )
    await _keep(ctx, known, new, known.view.without(found, put=put))
    return len(found)


@SESSION.write
async def change_state(ctx: Context, about: About, values: dict[str, Any], deleted: list[str]) -> None:
    """Change the state of the session's own scope."""
    known = _alive(ctx, await _head_with(ctx, about))
    changed = await _changed(ctx, known, _moment(ctx, known), values, deleted)
    await _keep(ctx, known, [changed], known.view)
    await _forget(ctx, set())


@SESSION.write
async def delete(ctx: Context, about: About) -> int:
    """Delete all the session keeps, and return how many events that were.

    Raises:
        SessionError: If the session is immutable.
    """
    known = await _head_with(ctx, about)
    _refuse_if_immutable(ctx, known, "deleted")
    for number in known.numbers:
        ctx.delete(event_value(number))
    await drop_all(ctx)
    ctx.delete(HEAD)
    ctx.expire_in(None)
    return known.count


@STATE.shared
async def all_values(ctx: Context) -> dict[str, Any]:
    """Return the state."""
    return await kept(ctx)


@STATE.write
async def change_values(ctx: Context, values: dict[str, Any], deleted: list[str]) -> None:
    """Change the state."""
    await change(ctx, values, deleted)


# --- What they share ------------------------------------------------------------------------------


async def _head(ctx: Context) -> Head:
    return Head.model_validate(await ctx.get(HEAD, {}))


async def _head_with(ctx: Context, about: About) -> Head:
    """Read the head, with what is said now taken over."""
    known = await _head(ctx)
    return known.model_copy(update={"about": _told(ctx, known, about)})


def _told(ctx: Context, known: Head, about: About) -> About:
    """Take over what is said now.

    Raises:
        SessionError: If the session is said to be other than it is.
        ContextError: If it is of another user than the run.
    """
    name = str(ctx.object_id)
    told = known.about.with_news(name, about)
    told.check_reach(name, ctx.attribution)
    return told


def _alive(ctx: Context, known: Head) -> Head:
    """Give a session that is about to begin its life."""
    return known if known.count else known.model_copy(update={"life": ctx.uuid().hex})


async def _too_old(ctx: Context) -> set[int]:
    """Tell which messages a session that prunes itself has too many of in its view."""
    known = await _head(ctx)
    keeps = known.about.keeps
    if keeps is None or known.view.length <= keeps:
        return set()
    in_view = [await ctx.get(event_value(number)) for number in known.view.numbers]
    return {message.number for message in older_than(messages_in(in_view), keeps)}


async def _forget(ctx: Context, dropped: set[int]) -> None:
    """Delete, where a session prunes itself, messages, and what is neither in view nor among as many newest events."""
    known = await _head(ctx)
    keeps = known.about.keeps
    if keeps is None:
        return
    after = known.forgetting(dropped, before=known.count - keeps)
    for number in sorted({*known.numbers}.difference(after.numbers)):
        ctx.delete(event_value(number))
    ctx.set(HEAD, _written(after))


async def _changed(
    ctx: Context, known: Head, at: datetime, values: dict[str, Any], deleted: list[str]
) -> StateChanged:
    """Change the state of the session's own scope, and tell that as the next event."""
    await change(ctx, values, deleted)
    return StateChanged(
        number=known.count,
        timestamp=at,
        run_id=ctx.run_id,
        names=tuple(values),
        deleted=tuple(deleted),
    )


async def _keep(ctx: Context, known: Head, new: list[Any], view: View) -> None:
    for event in new:
        ctx.set(event_value(event.number), _written(event))
    after = known.with_events(new, view) if new else known
    ctx.set(HEAD, _written(after))
    _expire(ctx, after.about.retention)


def _expire(ctx: Context, retention: Retention | None) -> None:
    """Have the session forgotten so many days after this, its newest change."""
    if retention is not None:
        ctx.expire_in(None if retention.ttl_days is None else timedelta(days=retention.ttl_days))


def _moment(ctx: Context, known: Head) -> datetime:
    """Tell the time: never before that of the newest event, whatever clock this process has."""
    now = ctx.now()
    return now if known.latest is None else max(now, known.latest)


def _refuse_if_immutable(ctx: Context, known: Head, what: str) -> None:
    if known.about.is_immutable:
        raise SessionError(f"session {ctx.object_id!r} is immutable, so it cannot be {what}")


def _outline(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in _WORDS}


def _written(shape: Shape) -> dict[str, Any]:
    return shape.model_dump(mode="json", exclude_none=True)
