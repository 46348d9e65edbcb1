"""What an agent tells in a run on the platform is shown to whoever watches that run from outside."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from towpath.agents.events import PIECES, PUBLIC, Event, Listener, Numbers
from towpath.agents.run import AgentRun
from towpath.context import Context
from towpath.errors import NotSerialisableError
from towpath.secrecy import redacted
from towpath.showing import Show


@asynccontextmanager
async def shown(
    agent: Any, run: AgentRun, context: Context, listener: Listener | None
) -> AsyncGenerator[Listener | None]:
    """Return who listens to a run: with whoever does here, those who watch from outside.

    They see the events of a run that is all its component does, and those that somebody listens to in a run.
    """
    if listener is None and not run.is_component:
        yield None
        return
    key = None if run.is_component else context.place(f"stream:{agent.label}")
    show = context.show(key)
    if show is None:
        yield listener
        return
    async with show:
        yield _Shown(show, context.run_id, listener)


class _Shown(Listener):
    """Shows events, and tells them to whoever else listens."""

    def __init__(self, show: Show, run_id: str, then: Listener | None) -> None:
        self._show = show
        self._run_id = run_id
        self._then = then
        self._numbers = Numbers()
        self._piece = 0
        self.takes_back = then is None or then.takes_back

    def tell(self, event: Event) -> None:
        """Take one event."""
        if event.type in PUBLIC:
            self._put(event.numbered(self._numbers.of(event), self._run_id))
        elif event.type == "throttled":
            self._piece = 0
        if self._then is not None:
            self._then.tell(event)

    def _put(self, event: Event) -> None:
        if event.type in PIECES:
            self._show.put(event.seq - 1, _written(event), piece=self._piece)
            self._piece += 1
        else:
            self._show.put(event.seq - 1, _written(event))
            self._piece = 0

    async def caught_up(self) -> None:
        """Wait for who else listens; those outside see it when they do."""
        if self._then is not None:
            await self._then.caught_up()


def _written(event: Event) -> dict[str, Any]:
    """Write an event as JSON; what JSON cannot carry is left out: nobody fails because others watch."""
    error = None if event.error is None else redacted(str(event.error))
    shown = replace(event, content=redacted(event.content), error=error)
    try:
        return shown.to_dict()
    except NotSerialisableError:
        return replace(shown, arguments=None, result=None).to_dict()
