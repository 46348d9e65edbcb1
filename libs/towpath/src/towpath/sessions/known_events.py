"""What one invocation knows of sessions: events never change, so a run reads, and journals, each of them once."""

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

from towpath.context import Context
from towpath.sessions.events import SessionEvent


class KnownEvents:
    """The events of one session that somebody has read or written here."""

    def __init__(self) -> None:
        self._by_number: dict[int, SessionEvent] = {}

    def learn(self, events: Iterable[SessionEvent]) -> None:
        """Remember events, with all that they say."""
        self._by_number.update((event.number, event) for event in events)

    def missing(self, numbers: Sequence[int]) -> list[int]:
        """Tell which are not known."""
        return [number for number in numbers if number not in self._by_number]

    def among(self, numbers: Sequence[int], read: Iterable[SessionEvent]) -> list[SessionEvent]:
        """Return those of `numbers` that are known, or have just been read, in their order."""
        found = {**self._by_number, **{event.number: event for event in read}}
        return [found[number] for number in numbers if number in found]


class _Sessions(dict[tuple[str, str], KnownEvents]):
    """What is known, by a session's id and its life: one that begins anew counts from 0 again."""

    def __missing__(self, session: tuple[str, str]) -> KnownEvents:
        self[session] = known = KnownEvents()
        return known


_known: "WeakKeyDictionary[Context, _Sessions]" = WeakKeyDictionary()


def known_in(context: Context | None, session_id: str, life: str | None) -> KnownEvents:
    """Return what the invocation that a context is of knows of a session.

    Outside of any that is nothing, and so it is of a session that was begun by a version which gave it no life. A
    replay has a context of its own, and so learns it all from the journal again.
    """
    if context is None or life is None:
        return KnownEvents()
    return _known.setdefault(context, _Sessions())[session_id, life]
