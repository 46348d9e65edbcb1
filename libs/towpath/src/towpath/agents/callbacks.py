"""Callback handlers as listeners: each event of an agent is given to the handler as keyword arguments."""

from collections.abc import Callable
from typing import Any

from towpath.agents.event_dicts import DictProjection, EventDict
from towpath.agents.events import Event, Listener

CallbackHandler = Callable[..., Any]


class CallbackListener(Listener):
    """Tells a handler, and then whoever else listens.

    Args:
        handler: Called as `handler(**event)`.
        state: The invocation's, which some events carry.
        then: Who listens as well.
    """

    def __init__(self, handler: CallbackHandler, state: dict[str, Any], then: Listener | None = None) -> None:
        self._handler = handler
        self._projection = DictProjection(state)
        self._then = then

    def tell(self, event: Event) -> None:
        """Take one event."""
        for one in self._projection.of(event):
            self._handler(**one)
        if self._then is not None:
            self._then.tell(event)

    async def caught_up(self) -> None:
        """Wait for who else listens; a handler has heard everything at once."""
        if self._then is not None:
            await self._then.caught_up()


def telling(
    handler: CallbackHandler | None, state: dict[str, Any], then: Listener | None = None
) -> Listener | None:
    """Return who listens: the handler, somebody else, both or nobody."""
    return then if handler is None else CallbackListener(handler, state, then)


def as_dicts(state: dict[str, Any]) -> Callable[[Event, Callable[[EventDict], None]], None]:
    """Make what writes the events of a stream as dicts."""
    projection = DictProjection(state)

    def project(event: Event, put: Callable[[EventDict], None]) -> None:
        for one in projection.of(event):
            put(one)

    return project
